/** One server-sent event: `data` is its JSON. */
export interface ServerEvent {
  name: string;
  data: Record<string, unknown>;
  id?: string;
}

/** The events of an answer as they come, wherever its bytes are torn; comments are left out. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const event = read(part);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function read(part: string): ServerEvent | undefined {
  const fields: Record<string, string> = {};
  for (const line of part.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  const { event, data, id } = fields;
  if (event === undefined || data === undefined) return undefined;
  return { name: event, data: JSON.parse(data) as Record<string, unknown>, ...(id === undefined ? {} : { id }) };
}
