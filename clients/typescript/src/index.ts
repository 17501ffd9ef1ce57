export { FanzGptClient, type ClientOptions, type CallOptions } from "./client.js";
export { FanzGptError } from "./errors.js";
export type * from "./types.js";
