"""`fanzgpt topics`: topics.yaml against the broker."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, Json, say, show_json

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fanzgpt_schemas.topics import TopicRegistry
    from fanzgpt_workers.topics.cluster import Cluster
    from fanzgpt_workers.topics.planning import LiveTopic, Plan, Step

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Compare topics.yaml with the broker, and make the broker follow. Never deletes, never shrinks.",
)

DRIFT = 2

FileArgument = Annotated[Path | None, typer.Argument(help="topics.yaml to use; this release's by default.")]
RekeyOption = Annotated[
    bool, typer.Option("--accept-rekey", help="Grow keyed topics too: a key's later records land elsewhere.")
]
ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Go on only if this is the cluster's id.")]


@app.command()
def validate(file: FileArgument = None, output: FormatOption = Format.TEXT) -> None:
    """Check topics.yaml, and that it names exactly the topics of the contract. Needs no broker."""
    registry = _registry(file)
    if output is Format.JSON:
        show_json({"valid": True, "topics": [spec.name for spec in registry]})
    else:
        say(f"{len(registry)} topics, all well formed")


@app.command()
def plan(
    context: typer.Context,
    file: FileArgument = None,
    accept_rekey: RekeyOption = False,
    cluster: ClusterOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Say what `apply` would do: + make, ~ change, ! left as it is. Exit 2 when anything differs."""
    found = asyncio.run(_plan(context, _registry(file), accept_rekey=accept_rekey, cluster=cluster))
    _show(found, output)
    if not found.clean:
        raise typer.Exit(DRIFT)


@app.command()
def apply(
    context: typer.Context,
    file: FileArgument = None,
    accept_rekey: RekeyOption = False,
    cluster: ClusterOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Make the broker follow and wait until it shows it; safe to repeat. Exit 2 when a difference is left."""
    found = asyncio.run(_apply(context, _registry(file), accept_rekey=accept_rekey, cluster=cluster, output=output))
    if output is Format.JSON:
        _show(found, output)
    else:
        for refusal in found.refused:
            say(str(refusal))
        say("the broker is as topics.yaml wants it" if not found.refused else "what is marked ! was left as it is")
    if found.refused:
        raise typer.Exit(DRIFT)


@app.command()
def export(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Print the broker's topics as they are: partitions, replication and what was configured (YAML, or -o json)."""
    live = asyncio.run(_live(context))
    topics = {topic.name: _exported(topic) for topic in live}
    if output is Format.JSON:
        show_json({"topics": topics})
        return
    import yaml  # noqa: PLC0415  # only this command writes YAML

    say(yaml.safe_dump({"topics": topics}, sort_keys=False).rstrip())


def _registry(file: Path | None) -> "TopicRegistry":
    from fanzgpt_schemas.topics import bundled_topics, load_topics  # noqa: PLC0415  # pydantic: not for `--help`
    from fanzgpt_workers.errors import ConfigurationError  # noqa: PLC0415  # as above

    if file is None:
        return bundled_topics()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error
    return load_topics(text)


async def _plan(
    context: typer.Context, registry: "TopicRegistry", *, accept_rekey: bool, cluster: str | None
) -> "Plan":
    from fanzgpt_workers.topics.applying import plan_topics  # noqa: PLC0415  # the Kafka client: not for `--help`

    async with _cluster(context) as broker:
        await broker.require_id(cluster)
        return await plan_topics(broker, registry, accept_rekey=accept_rekey)


async def _apply(
    context: typer.Context, registry: "TopicRegistry", *, accept_rekey: bool, cluster: str | None, output: Format
) -> "Plan":
    from fanzgpt_workers.topics.applying import apply_topics  # noqa: PLC0415  # the Kafka client: not for `--help`

    def told(step: "Step") -> None:
        if output is Format.TEXT:
            say(str(step))

    async with _cluster(context) as broker:
        await broker.require_id(cluster)
        return await apply_topics(broker, registry, accept_rekey=accept_rekey, told=told)


async def _live(context: typer.Context) -> "list[LiveTopic]":
    async with _cluster(context) as broker:
        return await broker.topics()


def _cluster(context: typer.Context) -> "AbstractAsyncContextManager[Cluster]":
    from fanzgpt_workers.topics.cluster import open_cluster  # noqa: PLC0415  # the Kafka client: not for `--help`

    settings = Invocation.of(context).settings("kafka")
    return open_cluster(settings.kafka.bootstrap_servers, security=settings.kafka_security.security())


def _show(found: "Plan", output: Format) -> None:
    if output is Format.JSON:
        show_json(
            {
                "clean": found.clean,
                "steps": [str(step) for step in found.steps],
                "refused": [{"topic": refusal.name, "why": refusal.why} for refusal in found.refused],
                "unmanaged": list(found.unmanaged),
            }
        )
        return
    for line in (*found.steps, *found.refused):
        say(str(line))
    for name in found.unmanaged:
        say(f"  {name}: not in topics.yaml, left alone")
    if found.clean:
        say("nothing to do: the broker is as topics.yaml wants it")


def _exported(topic: "LiveTopic") -> Mapping[str, Json]:
    return {"partitions": topic.partitions, "replication": topic.replication, "configs": dict(topic.configs)}
