import { parseJson } from './json.ts';

/** The URL of `path`, relative to the page: the app may be mounted under any prefix. */
export function at(path: string, base: string = document.baseURI): string {
  return new URL(path, base).href;
}

/** An error status. The message is the server's `detail`, if it sent one. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = 'HttpError';
    this.status = status;
  }
}

/** The request had no response, or no complete one. Browsers give no reason but a timeout. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    const late = cause instanceof DOMException && cause.name === 'TimeoutError';
    super(late ? 'the server does not answer' : 'the server cannot be reached', { cause });
    this.name = 'Unreachable';
  }
}

/** The `detail` or `title` of an RFC 9457 problem, otherwise a sentence with the status. */
export function problemDetail(status: number, body: string): string {
  try {
    const problem: unknown = JSON.parse(body);
    if (typeof problem === 'object' && problem !== null) {
      const { detail, title } = problem as { detail?: unknown; title?: unknown };
      if (typeof detail === 'string' && detail !== '') return detail;
      if (typeof title === 'string' && title !== '') return title;
    }
  } catch {
    // Not JSON, for example the error page of a proxy.
  }
  return `the server responded with status ${status}`;
}

/**
 * The JSON at `path`. `accept` lists error statuses to treat as success (503 of `readyz`).
 *
 * Throws `HttpError` on another error status, `Unreachable` without a complete response in
 * `timeoutMs`.
 */
export async function getJson<T>(
  path: string,
  { accept = [], timeoutMs = 15_000 }: { accept?: readonly number[]; timeoutMs?: number } = {},
): Promise<T> {
  return requestJson(path, {}, accept, timeoutMs);
}

/** The JSON response to `body`. Throws as `getJson`; after `Unreachable` it may have been applied. */
export async function postJson<T>(path: string, body: object, timeoutMs = 10_000): Promise<T> {
  const init = { method: 'POST', body: JSON.stringify(body) };
  return requestJson(path, init, [], timeoutMs);
}

/** Send a request without a body. Throws as `getJson`. */
export async function post(path: string, timeoutMs = 10_000): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(at(path), { method: 'POST', signal });
  } catch (error) {
    throw new Unreachable(error);
  }
  if (!response.ok)
    throw new HttpError(response.status, problemDetail(response.status, await response.text()));
}

async function requestJson<T>(
  path: string,
  init: RequestInit,
  accept: readonly number[],
  timeoutMs: number,
): Promise<T> {
  const headers = {
    accept: 'application/json',
    ...(init.body ? { 'content-type': 'application/json' } : {}),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(at(path), { ...init, headers, signal });
    if (response.ok || accept.includes(response.status)) return parseJson<T>(await response.text());
    throw new HttpError(response.status, problemDetail(response.status, await response.text()));
  } catch (error) {
    if (error instanceof HttpError || error instanceof SyntaxError) throw error;
    throw new Unreachable(error);
  }
}

/** The chunks of a response's body. */
export async function* chunks(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  // Safari's ReadableStream is not async iterable.
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
