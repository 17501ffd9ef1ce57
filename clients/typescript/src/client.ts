import { FanzGptError } from "./errors.js";
import { eventsOf } from "./events.js";
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
  /** Gives up waiting. The request goes on, unless `onDisconnect` says otherwise; `cancel` ends it too. */
  signal?: AbortSignal;
  /**
   * Watches the answer being made: called with all of its text so far, each time it grows, and with "" where it begins
   * again. A preview: the answer that the call resolves to is what counts. Answers that are no text come whole.
   */
  onText?: (text: string) => void;
  /** What becomes of a request that is watched when its watcher leaves. It goes on by default. */
  onDisconnect?: "continue" | "cancel";
}

/** What came instead of an answer, and whether the call may be sent again. */
interface Sent {
  status: number;
  body: Record<string, unknown>;
  retryAfterMs?: number;
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

  /**
   * Keeps an image for its user's analyses: the answer's `imageUrl` goes into `analyzeImage`. PNG, JPEG, GIF or WebP;
   * the same image again is the same address.
   */
  async uploadImage(image: Blob, userId?: string): Promise<Api.UploadedImage> {
    const [requestId, signal] = [newRequestId(), AbortSignal.timeout(this.#timeoutMs)];
    const path = `/media/images${queryOf(userId)}`;
    const { body } = await this.#repeated(() => this.#send("POST", path, requestId, signal, image), requestId, signal);
    return body as unknown as Api.UploadedImage;
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
    const watched = options.onText && { shown: "", onText: options.onText, onDisconnect: options.onDisconnect };
    const once = (): Promise<Sent> =>
      watched
        ? this.#watch(path, requestId, signal, asked, watched)
        : this.#send("POST", path, requestId, signal, asked);
    const { status, body } = await this.#repeated(once, requestId, signal);
    return (status === 202 ? await this.#await(requestId, userOf(asked), signal) : body) as Answer;
  }

  /** Tries until something was taken. */
  async #repeated(once: () => Promise<Sent>, requestId: string, signal: AbortSignal): Promise<Sent> {
    for (let tries = 0; ; tries += 1) {
      const sent = await once();
      if (sent.status >= 200 && sent.status < 300) return sent;
      if (!REPEATED.has(sent.status) || tries >= this.#retries) throw refused(sent.status, sent.body, requestId);
      await pause(sent.retryAfterMs ?? Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS), signal);
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

  /** One try of a call that is watched; after a lost connection the next goes on where this one was. */
  async #watch(path: string, requestId: string, signal: AbortSignal, asked: object, watched: Watched): Promise<Sent> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (watched.lastEventId !== undefined) headers["Last-Event-ID"] = watched.lastEventId;
    if (watched.onDisconnect) headers["X-On-Disconnect"] = watched.onDisconnect;
    try {
      const response = await this.#call("POST", path, requestId, signal, asked, headers);
      if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) return await read(response);
      for await (const { name, data, id } of eventsOf(response.body)) {
        if (name === "completed") return { status: 200, body: data };
        if (name === "failed") return { status: Number(data["status"]), body: data };
        if (name === "pending") return { status: 202, body: data };
        if (name === "restart" || name === "delta") {
          watched.shown = name === "restart" ? "" : watched.shown + String(data["text"]);
          if (id !== undefined) watched.lastEventId = id;
          watched.onText(watched.shown);
        }
      }
      return lost("the connection ended before the answer");
    } catch (error) {
      if (signal.aborted) throw gaveUp(signal, requestId);
      return lost(error);
    }
  }

  async #send(method: string, path: string, requestId: string, signal: AbortSignal, body?: object): Promise<Sent> {
    try {
      return await read(await this.#call(method, path, requestId, signal, body));
    } catch (error) {
      if (signal.aborted) throw gaveUp(signal, requestId);
      return lost(error);
    }
  }

  async #call(
    method: string,
    path: string,
    requestId: string,
    signal: AbortSignal,
    body?: object,
    more: Record<string, string> = {},
  ): Promise<Response> {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${await this.#token()}`,
      "X-Request-ID": requestId,
      ...more,
    };
    const bytes = body instanceof Blob;
    if (body) headers["Content-Type"] = bytes ? "application/octet-stream" : "application/json";
    const content = body ? { body: bytes ? body : JSON.stringify(body) } : {};
    return this.#fetch(this.#base + path, { method, headers, signal, ...content });
  }
}

/** Somebody who watches: what they have seen, and after which event. */
interface Watched {
  shown: string;
  lastEventId?: string;
  readonly onText: (text: string) => void;
  readonly onDisconnect?: "continue" | "cancel" | undefined;
}

async function read(response: Response): Promise<Sent> {
  const after = Number(response.headers.get("Retry-After") ?? NaN);
  const told = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  return { status: response.status, body: told, ...(Number.isFinite(after) ? { retryAfterMs: after * 1000 } : {}) };
}

function lost(error: unknown): Sent {
  return { status: 0, body: { error: "No answer", message: String(error) } };
}

/** `<epoch ms>-<9 base36 chars>`, as the ecosystem's services make them. */
export function newRequestId(): string {
  const random = crypto.getRandomValues(new Uint8Array(9));
  return `${Date.now()}-${Array.from(random, (byte) => (byte % 36).toString(36)).join("")}`;
}

function place(requestId: string, userId: string | undefined): string {
  return `/requests/${encodeURIComponent(requestId)}${queryOf(userId)}`;
}

function queryOf(userId: string | undefined): string {
  return userId === undefined ? "" : `?userId=${encodeURIComponent(userId)}`;
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
