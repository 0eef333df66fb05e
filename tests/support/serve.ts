/**
 * A folder behind an address on this machine, as a package registry would serve it.
 *
 * @module
 */

const TYPES: Readonly<Record<string, string>> = {
  ts: "application/typescript",
  js: "text/javascript",
  json: "application/json",
  html: "text/html",
  wgsl: "text/plain",
};

/** A folder that is being served. */
export interface Served extends AsyncDisposable {
  /** Its address, with a slash at the end. */
  readonly url: string;
  /** The host and port of the address. */
  readonly host: string;
  /** The paths that were asked for so far. */
  readonly asked: readonly string[];
}

/** Serves the files of a folder until disposed. */
export function serveFolder(folder: URL): Served {
  const asked: string[] = [];
  const root = crypto.randomUUID(); // a port may come again, and what was cached under it then is another version
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(root.length + 2);
    asked.push(path);
    const type = TYPES[path.split(".").at(-1) ?? ""] ?? "application/octet-stream";
    try {
      return new Response(await Deno.readFile(new URL(path, folder)), { headers: { "content-type": type } });
    } catch {
      return new Response("not there", { status: 404 });
    }
  });
  const host = `127.0.0.1:${server.addr.port}`;
  return { url: `http://${host}/${root}/`, host, asked, [Symbol.asyncDispose]: () => server.shutdown() };
}
