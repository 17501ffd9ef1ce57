// An HTTP server that answers as a test tells it, one answer a call, and remembers what it was asked.
import { createServer } from "node:http";

export async function scripted(answers, run) {
  const calls = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => {
      calls.push({ method: request.method, url: request.url, headers: request.headers, body: text && JSON.parse(text) });
      const answer = answers[Math.min(calls.length, answers.length) - 1];
      if (answer === "reset") return request.socket.resetAndDestroy();
      if (answer === "hang") return undefined;
      if (answer.events) {
        response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
        for (const chunk of answer.events) response.write(chunk);
        return answer.cut ? setImmediate(() => request.socket.destroy()) : response.end();
      }
      response.writeHead(answer.status, { "Content-Type": "application/json", ...answer.headers });
      return response.end(answer.raw ?? JSON.stringify(answer.body));
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await run(`http://127.0.0.1:${server.address().port}`, calls);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

export const post = { status: 200, body: { post: "Up early!", requestId: "r", usage: { cached: false } } };

export const event = (name, data, id) => `${id ? `id: ${id}\n` : ""}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
