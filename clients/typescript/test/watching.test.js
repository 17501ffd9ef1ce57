import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { act, cleanup, renderHook } from "@testing-library/react";

import { FanzGptClient } from "../dist/index.js";
import { useGeneration } from "../dist/react.js";
import { event, post, scripted } from "../testing/server.js";

const asked = { userId: "test-user-1", topic: "morning workout", platform: "instagram" };
const client = (baseUrl, more = {}) => new FanzGptClient({ baseUrl, token: "a-service-key-of-ours", ...more });
const accepted = event("accepted", { requestId: "r", status: "pending" });
const delta = (text, id) => event("delta", { text }, id);
const completed = event("completed", post.body);

afterEach(cleanup);

async function watched(url, options = {}) {
  const seen = [];
  const answer = await client(url).generateSocialPost(asked, { ...options, onText: (text) => seen.push(text) });
  return { answer, seen };
}

test("a watcher sees the text grow, and then has the answer", () =>
  scripted([{ events: [accepted, delta("Up ", "1-0"), ": \n\n", delta("early", "2-0"), completed] }], async (url, calls) => {
    const { answer, seen } = await watched(url);
    assert.deepEqual(seen, ["Up ", "Up early"]);
    assert.equal(answer.post, "Up early!");
    assert.equal(calls[0].headers.accept, "text/event-stream");
    assert.equal(calls[0].headers["x-on-disconnect"], undefined);
  }));

test("events may be torn anywhere, within a letter too", () => {
  const bytes = Buffer.from(accepted + delta("Grüße 💛", "1-0") + completed);
  const torn = Array.from(bytes, (byte) => Buffer.of(byte));
  return scripted([{ events: torn }], async (url) => assert.deepEqual((await watched(url)).seen, ["Grüße 💛"]));
});

test("a lost connection goes on where it was, under the same id", () =>
  scripted(
    [
      { events: [accepted, delta("Up ", "1-0")], cut: true },
      { events: [accepted, delta("early", "2-0"), completed] },
    ],
    async (url, calls) => {
      const { answer, seen } = await watched(url);
      assert.deepEqual(seen, ["Up ", "Up early"]);
      assert.equal(answer.post, "Up early!");
      assert.equal(calls[1].headers["last-event-id"], "1-0");
      assert.equal(calls[0].headers["x-request-id"], calls[1].headers["x-request-id"]);
    },
  ));

test("an answer that begins again takes the place of what was shown", () =>
  scripted(
    [{ events: [delta("No", "1-0"), event("restart", {}), delta("Up", "2-0"), completed] }],
    async (url) => assert.deepEqual((await watched(url)).seen, ["No", "", "Up"]),
  ));

test("a request that fails while it is watched is refused in its own words", () =>
  scripted(
    [{ events: [accepted, event("failed", { status: 400, error: "Content violation", message: "blocked" })] }],
    (url) => assert.rejects(watched(url), { status: 400, error: "Content violation", message: "blocked" }),
  ));

test("an answer that takes longer than anybody may watch is read by its id", () => {
  const made = { status: 200, body: { requestId: "r", status: "completed", output: { post: "Late!" }, usage: {} } };
  const pending = event("pending", { requestId: "r", status: "pending", location: "", message: "" });
  return scripted([{ events: [accepted, pending] }, made], async (url) =>
    assert.equal((await watched(url)).answer.post, "Late!"),
  );
});

test("what is refused before it begins is refused as ever, and a gateway that does not stream answers whole", () =>
  scripted([{ status: 503, body: { error: "x", message: "y" } }, post], async (url, calls) => {
    const { answer, seen } = await watched(url, { onDisconnect: "cancel" });
    assert.equal(answer.post, "Up early!");
    assert.deepEqual(seen, []);
    assert.equal(calls[1].headers["x-on-disconnect"], "cancel");
  }));

test("a component shows the text while it is made", () =>
  scripted([{ events: [accepted, delta("Up ", "1-0"), delta("early", "2-0"), completed] }], async (url) => {
    const shown = [];
    const ours = client(url);
    const { result } = renderHook(() => {
      const generation = useGeneration(ours, ours.generateSocialPost, { watch: true });
      shown.push(generation.text);
      return generation;
    });
    await act(async () => assert.equal((await result.current.generate(asked)).post, "Up early!"));
    assert.equal(result.current.text, "Up early");
    assert.equal(result.current.answer.post, "Up early!");
    assert.equal(shown[0], "");
  }));
