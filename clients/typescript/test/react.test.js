import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { act, cleanup, renderHook } from "@testing-library/react";

import { FanzGptClient } from "../dist/index.js";
import { useGeneration } from "../dist/react.js";
import { post, scripted } from "../testing/server.js";

const asked = { userId: "test-user-1", topic: "morning workout", platform: "instagram" };

afterEach(cleanup);

function rendered(url) {
  const client = new FanzGptClient({ baseUrl: url, token: "a-service-key-of-ours" });
  return renderHook(() => useGeneration(client, client.generateSocialPost));
}

test("a component is told of loading, and then of the answer", () =>
  scripted([post], async (url) => {
    const { result } = rendered(url);
    assert.equal(result.current.loading, false);
    let asking;
    act(() => {
      asking = result.current.generate(asked);
    });
    assert.equal(result.current.loading, true);
    await act(async () => assert.equal((await asking).post, "Up early!"));
    assert.equal(result.current.answer.post, "Up early!");
    assert.equal(result.current.loading, false);
  }));

test("a component is told of a refusal", () =>
  scripted([{ status: 403, body: { error: "Feature disabled", message: "m" } }], async (url) => {
    const { result } = rendered(url);
    await act(async () => assert.equal(await result.current.generate(asked), undefined));
    assert.equal(result.current.error.error, "Feature disabled");
    assert.equal(result.current.loading, false);
  }));

test("a later call takes the place of an earlier one", () =>
  scripted(["hang", post], async (url, calls) => {
    const { result } = rendered(url);
    let first;
    act(() => {
      first = result.current.generate(asked);
    });
    while (calls.length === 0) await new Promise(setImmediate);
    await act(async () => {
      await result.current.generate(asked);
    });
    assert.equal(await first, undefined);
    assert.equal(result.current.answer.post, "Up early!");
    assert.equal(result.current.error, undefined);
  }));

test("a component that goes away waits for nothing", () =>
  scripted(["hang"], async (url) => {
    const { result, unmount } = rendered(url);
    let asking;
    act(() => {
      asking = result.current.generate(asked);
    });
    unmount();
    assert.equal(await asking, undefined);
  }));
