// Web servers of tests, beside the platform.

import { createServer } from "node:http";

/** Answers requests on a free port: `{ url, close }`. */
export async function site(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
