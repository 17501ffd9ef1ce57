import assert from "node:assert/strict";
import { test } from "node:test";

import { FanzGptClient, FanzGptError } from "../dist/index.js";
import { post, scripted } from "../testing/server.js";

const asked = { userId: "test-user-1", topic: "morning workout", platform: "instagram" };
const client = (baseUrl, more = {}) => new FanzGptClient({ baseUrl, token: "a-service-key-of-ours", ...more });

test("a call is what the contract says", () =>
  scripted([post], async (url, calls) => {
    const answer = await client(url).generateSocialPost(asked);
    assert.equal(answer.post, "Up early!");
    const [call] = calls;
    assert.equal(call.method, "POST");
    assert.equal(call.url, "/api/v1/content/social-post");
    assert.equal(call.headers.authorization, "Bearer a-service-key-of-ours");
    assert.match(call.headers["x-request-id"], /^\d{13}-[0-9a-z]{9}$/);
    assert.deepEqual(call.body, asked);
  }));

test("a call that may not have been taken is repeated under the same id", () =>
  scripted(["reset", { status: 503, body: { error: "x", message: "y" } }, post], async (url, calls) => {
    const answer = await client(url).generateSocialPost(asked);
    assert.equal(answer.post, "Up early!");
    assert.equal(calls.length, 3);
    assert.equal(new Set(calls.map((call) => call.headers["x-request-id"])).size, 1);
  }));

test("a full window is waited for as long as it says", () =>
  scripted([{ status: 429, headers: { "Retry-After": "1" }, body: { error: "x", message: "y" } }, post], async (url) => {
    const began = performance.now();
    await client(url).generateSocialPost(asked);
    assert.ok(performance.now() - began >= 950);
  }));

test("what cannot succeed is not repeated, and says why", () =>
  scripted(
    [{ status: 400, body: { error: "Content violation", message: "Content contains blocked terms" } }],
    async (url, calls) => {
      await assert.rejects(client(url).generateSocialPost(asked, { requestId: "mine" }), (error) => {
        assert.ok(error instanceof FanzGptError);
        assert.deepEqual(
          [error.status, error.error, error.message, error.requestId],
          [400, "Content violation", "Content contains blocked terms", "mine"],
        );
        return true;
      });
      assert.equal(calls.length, 1);
    },
  ));

test("repeats come to an end", () =>
  scripted(["reset"], async (url, calls) => {
    await assert.rejects(client(url, { retries: 1 }).generateSocialPost(asked), { status: 0, error: "No answer" });
    assert.equal(calls.length, 2);
  }));

test("an answer that takes longer is read by the request's id", () => {
  const taken = { status: 202, body: { requestId: "mine", status: "pending", location: "", message: "" } };
  const pending = { status: 200, body: { requestId: "mine", userId: "test-user-1", status: "pending" } };
  const made = { status: 200, body: { ...pending.body, status: "completed", output: { post: "Late!" }, usage: {} } };
  return scripted([taken, pending, made], async (url, calls) => {
    const answer = await client(url).generateSocialPost(asked, { requestId: "mine" });
    assert.deepEqual(answer, { post: "Late!", requestId: "mine", usage: {} });
    assert.equal(calls[1].url, "/api/v1/requests/mine?userId=test-user-1");
  });
});

test("an answer that was waited for and failed is refused in its own words", () => {
  const taken = { status: 202, body: {} };
  const failed = { status: 200, body: { status: "failed", error: "Provider failed", message: "m", reason: "provider" } };
  return scripted([taken, failed], async (url) => {
    await assert.rejects(client(url).generateSocialPost(asked), { error: "Provider failed", reason: "provider" });
  });
});

test("a call takes no longer than it may", () =>
  scripted(["hang"], async (url) => {
    await assert.rejects(client(url, { timeoutMs: 100 }).generateSocialPost(asked), { error: "Timeout" });
  }));

test("a caller may give up", () =>
  scripted(["hang"], async (url) => {
    const giving = new AbortController();
    const waiting = client(url).generateSocialPost(asked, { signal: giving.signal });
    giving.abort();
    await assert.rejects(waiting, { error: "Aborted" });
  }));

test("an answer that is no JSON is an error of its status", () =>
  scripted([{ status: 500, raw: "<html>" }], async (url) => {
    await assert.rejects(client(url).generateSocialPost(asked), { status: 500, error: "Unreadable answer" });
  }));

test("a token may be made for each call", () =>
  scripted([post], async (url, calls) => {
    let made = 0;
    const fresh = client(url, { token: async () => `token-${(made += 1)}` });
    await fresh.generateSocialPost(asked);
    await fresh.generateSocialPost(asked);
    assert.deepEqual(
      calls.map((call) => call.headers.authorization),
      ["Bearer token-1", "Bearer token-2"],
    );
  }));
