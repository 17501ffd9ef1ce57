import { useCallback, useEffect, useRef, useState } from "react";

import type { CallOptions, FanzGptClient } from "./client.js";
import { FanzGptError } from "./errors.js";

export interface Generation<Body, Answer> {
  /** Asks; resolves to the answer, or to undefined where it failed or a later call has taken its place. */
  generate: (body: Body) => Promise<Answer | undefined>;
  /** The last answer. */
  answer: Answer | undefined;
  /** What came instead of one. */
  error: FanzGptError | undefined;
  loading: boolean;
  /** Stops waiting. */
  abort: () => void;
}

/**
 * One kind of generation in a component: `useGeneration(client, client.generateSocialPost)`. A new call takes the place
 * of the one before it; a component that goes away waits for nothing.
 */
export function useGeneration<Body, Answer>(
  client: FanzGptClient,
  method: (this: FanzGptClient, body: Body, options?: CallOptions) => Promise<Answer>,
): Generation<Body, Answer> {
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
      try {
        const made = await method.call(client, body, { signal: own.signal });
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
    [client, method],
  );

  return { generate, answer, error, loading, abort };
}
