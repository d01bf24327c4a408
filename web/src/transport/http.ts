/** The app may be mounted under any prefix, behind proxies that strip it: resolve, never assume. */
export function at(path: string, base: string = document.baseURI): string {
  return new URL(path, base).href;
}

/** An answer that is an error; its message is the server's own `detail` where it gave one. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = 'HttpError';
    this.status = status;
  }
}

/** No answer came. The browser does not say why, and its own words say nothing to people. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('the server cannot be reached', { cause });
    this.name = 'Unreachable';
  }
}

/** The text for a person in an RFC 9457 problem, or a plain sentence where there is none. */
export function problemDetail(status: number, body: string): string {
  try {
    const problem: unknown = JSON.parse(body);
    if (typeof problem === 'object' && problem !== null) {
      const { detail, title } = problem as { detail?: unknown; title?: unknown };
      if (typeof detail === 'string' && detail !== '') return detail;
      if (typeof title === 'string' && title !== '') return title;
    }
  } catch {
    // Not JSON: a proxy's own error page.
  }
  return `the server answered ${status}`;
}

/**
 * The JSON at `path`. `accept` lists error statuses whose body is an answer too (503 of `readyz`).
 *
 * Throws `HttpError` on an error status, `Unreachable` when there is no answer.
 */
export async function getJson<T>(path: string, accept: readonly number[] = []): Promise<T> {
  const request = { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(15_000) };
  const response = await fetch(at(path), request).catch((reason: unknown) => {
    throw new Unreachable(reason);
  });
  if (!response.ok && !accept.includes(response.status)) {
    throw new HttpError(response.status, problemDetail(response.status, await response.text()));
  }
  return (await response.json()) as T;
}
