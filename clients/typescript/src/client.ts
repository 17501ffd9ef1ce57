import { FanzGptError } from "./errors.js";
import type * as Api from "./types.js";

export interface ClientOptions {
  /** Where the gateway is, without `/api/v1`. */
  baseUrl: string;
  /** A service's key or a user's token, or what gives one for each call. */
  token: string | (() => string | Promise<string>);
  /** Milliseconds a call may take in all, repeats and waiting included. The gateway's own wait is 30 s. */
  timeoutMs?: number;
  /** How often a call is repeated, under the same id, where the gateway may not have taken it. */
  retries?: number;
  /** Another `fetch`, for tests and old browsers. */
  fetch?: typeof fetch;
}

export interface CallOptions {
  /** The request's id; one is made where it is left out. The same id with the same content is the same request. */
  requestId?: string;
  /** Gives up waiting. The request goes on; `cancel` ends it. */
  signal?: AbortSignal;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4_000;
const LOOK_MS = 500;
/** Nothing was taken, or it is not known whether: repeating under the same id is safe and may help. */
const REPEATED = new Set([0, 429, 503]);

/**
 * Asks the gateway. Every call has one id from its first try to its last, so that a repeat joins the request that is
 * under way, or gets the answer that was made, and nothing is generated or paid twice. Throws FanzGptError.
 */
export class FanzGptClient {
  readonly #base: string;
  readonly #token: () => string | Promise<string>;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    const { token } = options;
    this.#base = `${options.baseUrl.replace(/\/+$/, "")}/api/v1`;
    this.#token = typeof token === "string" ? () => token : token;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#retries = options.retries ?? 3;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** A post about a topic, shaped for a platform. */
  generateSocialPost(body: Api.SocialPostRequest, options?: CallOptions): Promise<Api.SocialPost> {
    return this.#ask("/content/social-post", body, options);
  }

  /** A message from a creator to one recipient. */
  generatePersonalizedMessage(
    body: Api.PersonalizedMessageRequest,
    options?: CallOptions,
  ): Promise<Api.PersonalizedMessage> {
    return this.#ask("/content/personalized-message", body, options);
  }

  /** A reply to a message, given the conversation so far. */
  generateChatResponse(body: Api.ChatRequest, options?: CallOptions): Promise<Api.ChatAnswer> {
    return this.#ask("/chat/response", body, options);
  }

  /** Opening lines: exactly `count` of them, five by default. */
  generateStarters(body: Api.StartersRequest, options?: CallOptions): Promise<Api.Starters> {
    return this.#ask("/chat/starters", body, options);
  }

  /** A dated plan for a timeframe. */
  generateContentCalendar(body: Api.ContentCalendarRequest, options?: CallOptions): Promise<Api.ContentCalendar> {
    return this.#ask("/creator/content-calendar", body, options);
  }

  /** An analysis of the user's own figures. */
  analyzePerformance(body: Api.PerformanceAnalysisRequest, options?: CallOptions): Promise<Api.PerformanceAnalysis> {
    return this.#ask("/creator/performance-analysis", body, options);
  }

  /** A look at one image. */
  analyzeImage(body: Api.ImageAnalysisRequest, options?: CallOptions): Promise<Api.ImageAnalysis> {
    return this.#ask("/media/analyze-image", body, options);
  }

  /** Speech from text. */
  synthesizeVoice(body: Api.VoiceRequest, options?: CallOptions): Promise<Api.Voice> {
    return this.#ask("/voice/synthesize", body, options);
  }

  /** A request as it stands; unknown ones, and other users', are refused with status 404. */
  async request(requestId: string, userId?: string): Promise<Api.RequestView> {
    const { status, body } = await this.#send("GET", place(requestId, userId), requestId, AbortSignal.timeout(this.#timeoutMs));
    if (status !== 200) throw refused(status, body, requestId);
    return body as unknown as Api.RequestView;
  }

  /** Asks for a request to be ended early. It still ends in one way, whichever comes first. */
  async cancel(requestId: string, userId?: string): Promise<void> {
    const { status, body } = await this.#send("DELETE", place(requestId, userId), requestId, AbortSignal.timeout(this.#timeoutMs));
    if (status !== 202) throw refused(status, body, requestId);
  }

  async #ask<Answer>(path: string, asked: object, options: CallOptions = {}): Promise<Answer> {
    const requestId = options.requestId ?? newRequestId();
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    for (let tries = 0; ; tries += 1) {
      const { status, body, retryAfterMs } = await this.#send("POST", path, requestId, signal, asked);
      if (status === 200) return body as Answer;
      if (status === 202) return (await this.#await(requestId, userOf(asked), signal)) as Answer;
      if (!REPEATED.has(status) || tries >= this.#retries) throw refused(status, body, requestId);
      await pause(retryAfterMs ?? Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS), signal);
    }
  }

  /** The answer of a request that the gateway did not wait for. */
  async #await(requestId: string, userId: string | undefined, signal: AbortSignal): Promise<object> {
    for (;;) {
      const { status, body } = await this.#send("GET", place(requestId, userId), requestId, signal);
      if (status === 200 && body["status"] === "completed") {
        return { ...(body["output"] as object), requestId, usage: body["usage"] };
      }
      if (status === 200 && body["status"] !== "pending") throw refused(status, body, requestId);
      if (status !== 200 && !REPEATED.has(status)) throw refused(status, body, requestId);
      await pause(LOOK_MS, signal);
    }
  }

  async #send(
    method: string,
    path: string,
    requestId: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<{ status: number; body: Record<string, unknown>; retryAfterMs?: number }> {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${await this.#token()}`,
      "X-Request-ID": requestId,
    };
    if (body) headers["Content-Type"] = "application/json";
    try {
      const response = await this.#fetch(this.#base + path, {
        method,
        headers,
        signal,
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const after = Number(response.headers.get("Retry-After") ?? NaN);
      const told = (await response.json().catch(() => ({}))) as Record<string, unknown>;
      return { status: response.status, body: told, ...(Number.isFinite(after) ? { retryAfterMs: after * 1000 } : {}) };
    } catch (error) {
      if (signal.aborted) throw gaveUp(signal, requestId);
      return { status: 0, body: { error: "No answer", message: String(error) } };
    }
  }
}

/** `<epoch ms>-<9 base36 chars>`, as the ecosystem's services make them. */
export function newRequestId(): string {
  const random = crypto.getRandomValues(new Uint8Array(9));
  return `${Date.now()}-${Array.from(random, (byte) => (byte % 36).toString(36)).join("")}`;
}

function place(requestId: string, userId: string | undefined): string {
  const query = userId === undefined ? "" : `?userId=${encodeURIComponent(userId)}`;
  return `/requests/${encodeURIComponent(requestId)}${query}`;
}

function userOf(asked: object): string | undefined {
  const { userId } = asked as { userId?: string | null };
  return userId ?? undefined;
}

function refused(status: number, body: Record<string, unknown>, requestId: string): FanzGptError {
  const { error, message, reason, retryable } = body as Partial<Api.ErrorBody>;
  return new FanzGptError(
    status,
    error ?? "Unreadable answer",
    message ?? `the gateway answered with status ${status}`,
    requestId,
    reason ?? undefined,
    retryable ?? undefined,
  );
}

function gaveUp(signal: AbortSignal, requestId: string): FanzGptError {
  const late = signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";
  const why = late ? "No answer in time; it may still be made: read it by the request's id" : "The caller gave up waiting";
  return new FanzGptError(0, late ? "Timeout" : "Aborted", why, requestId);
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
