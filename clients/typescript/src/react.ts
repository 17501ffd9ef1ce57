import { useCallback, useEffect, useRef, useState } from "react";

import type { CallOptions, FanzGptClient } from "./client.js";
import { FanzGptError } from "./errors.js";

export interface Generation<Body, Answer> {
  /** Asks; resolves to the answer, or to undefined where it failed or a later call has taken its place. */
  generate: (body: Body) => Promise<Answer | undefined>;
  /** As much of the answer's text as has been made; with `watch` only, and a preview: the answer is what counts. */
  text: string;
  /** The last answer. */
  answer: Answer | undefined;
  /** What came instead of one. */
  error: FanzGptError | undefined;
  loading: boolean;
  /** Stops waiting. */
  abort: () => void;
}

export interface GenerationOptions {
  /** Shows the answer while it is made. */
  watch?: boolean;
  /** With `watch`: what becomes of the request when the component goes away. It goes on by default. */
  onDisconnect?: "continue" | "cancel";
}

/**
 * One kind of generation in a component: `useGeneration(client, client.generateSocialPost)`. A new call takes the place
 * of the one before it; a component that goes away waits for nothing.
 */
export function useGeneration<Body, Answer>(
  client: FanzGptClient,
  method: (this: FanzGptClient, body: Body, options?: CallOptions) => Promise<Answer>,
  { watch = false, onDisconnect = "continue" }: GenerationOptions = {},
): Generation<Body, Answer> {
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<FanzGptError>();
  const [loading, setLoading] = useState(false);
  const current = useRef<AbortController>(undefined);

  const abort = useCallback(() => current.current?.abort(), []);
  useEffect(() => abort, [abort]);

  const generate = useCallback(
    async (body: Body): Promise<Answer | undefined> => {
      current.current?.abort();
      const own = new AbortController();
      current.current = own;
      setLoading(true);
      setError(undefined);
      setText("");
      const onText = (shown: string): void => {
        if (current.current === own) setText(shown);
      };
      try {
        const made = await method.call(client, body, { signal: own.signal, ...(watch && { onText, onDisconnect }) });
        if (current.current !== own || own.signal.aborted) return undefined;
        setAnswer(made);
        return made;
      } catch (failure) {
        if (current.current !== own || own.signal.aborted) return undefined;
        if (!(failure instanceof FanzGptError)) throw failure;
        setError(failure);
        return undefined;
      } finally {
        if (current.current === own) setLoading(false);
      }
    },
    [client, method, watch, onDisconnect],
  );

  return { generate, text, answer, error, loading, abort };
}
