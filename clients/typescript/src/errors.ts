/** What the gateway answered instead of what was asked for, in its own words. */
export class FanzGptError extends Error {
  override readonly name = "FanzGptError";

  constructor(
    /** HTTP status; 0 where no answer came at all. */
    readonly status: number,
    /** For programs: never changes. */
    readonly error: string,
    message: string,
    /** The request's id: repeating the call under it never pays twice. */
    readonly requestId: string,
    /** Why the request ended without an answer, where it did. */
    readonly reason?: string,
    /** Whether asking again, under a new id, could help. */
    readonly retryable?: boolean,
  ) {
    super(message);
  }
}
