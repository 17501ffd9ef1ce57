// Against a real gateway, where the environment names one: FANZ_GPT_URL and FANZ_GPT_API_KEY.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FanzGptClient } from "../dist/index.js";

const { FANZ_GPT_URL: baseUrl, FANZ_GPT_API_KEY: token } = process.env;

test("every text type, through the real system", { skip: !baseUrl && "FANZ_GPT_URL names no gateway" }, async () => {
  const client = new FanzGptClient({ baseUrl, token });
  const userId = `typescript-${Date.now()}`;
  const [social, message, chat, three, calendar, performance] = await Promise.all([
    client.generateSocialPost({ userId, topic: "morning workout", platform: "instagram" }, { requestId: `${userId}-1` }),
    client.generatePersonalizedMessage({ userId, recipientId: "fan-1", context: "a tip", relationship: "subscriber" }),
    client.generateChatResponse({ userId, message: "How was your day?" }),
    client.generateStarters({ userId, count: 3 }),
    client.generateContentCalendar({ userId, timeframe: "3 days", preferences: {} }),
    client.analyzePerformance({ userId, timeframe: "last week" }),
  ]);
  assert.ok(social.post && message.message && chat.response && calendar.calendar && performance.analysis);
  assert.equal(three.starters.length, 3);

  const again = await client.generateSocialPost(
    { userId, topic: "morning workout", platform: "instagram" },
    { requestId: `${userId}-1` },
  );
  assert.deepEqual(again, social);

  const shown = [];
  const watched = await client.generateSocialPost(
    { userId, topic: "evening workout", platform: "instagram" },
    { onText: (text) => shown.push(text) },
  );
  assert.ok(shown.length > 0);
  assert.ok(watched.post.startsWith(shown.at(-1)));

  const seen = await client.request(`${userId}-1`, userId);
  assert.equal(seen.status, "completed");
  assert.deepEqual(seen.output, { post: social.post });

  const dot = Uint8Array.from(
    atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="),
    (byte) => byte.charCodeAt(0),
  );
  const uploaded = await client.uploadImage(new Blob([dot]), userId);
  assert.deepEqual([uploaded.mediaType, uploaded.bytes], ["image/png", dot.length]);
  assert.deepEqual(await client.uploadImage(new Blob([dot]), userId), uploaded);
  assert.ok((await client.analyzeImage({ userId, imageUrl: uploaded.imageUrl, analysisType: "colours" })).analysis);
  await assert.rejects(client.uploadImage(new Blob(["no image"]), userId), { status: 422 });

  await assert.rejects(client.request("never-asked", userId), { status: 404, error: "Unknown request" });
  await assert.rejects(new FanzGptClient({ baseUrl, token: "another-key-altogether" }).request("x"), { status: 401 });
});
