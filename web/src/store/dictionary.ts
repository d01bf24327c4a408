import { Backoff } from '../transport/backoff.ts';
import { getJson } from '../transport/http.ts';
import type { Parameter, Value } from '../transport/wire.ts';
import { inferredParameter } from './rows.ts';

/** The parameters: those that the server declares, then those that only appear in samples. */
export class Dictionary {
  /** Without the server's dictionary, the kinds of parameters are inferred. */
  state: 'loading' | 'loaded' | 'failed' = 'loading';
  error: string | null = null;
  #declared = new Map<string, Parameter>();
  #inferred = new Map<string, Parameter>();
  #all: readonly Parameter[] | null = null;

  get parameters(): readonly Parameter[] {
    this.#all ??= [...this.#declared.values(), ...this.#inferred.values()];
    return this.#all;
  }

  get(name: string): Parameter | undefined {
    return this.#declared.get(name) ?? this.#inferred.get(name);
  }

  /** The parameter of a value that was received. Returns whether it is new. */
  infer(name: string, value: Value): boolean {
    if (this.get(name) !== undefined) return false;
    this.#inferred.set(name, inferredParameter(name, value));
    this.#all = null;
    return true;
  }

  /** Replace the declared parameters. Returns the names that no longer exist. */
  replace(parameters: readonly Parameter[]): readonly string[] {
    const before = [...this.#declared.keys()];
    this.#declared = new Map(parameters.map((parameter) => [parameter.name, parameter]));
    for (const name of this.#declared.keys()) this.#inferred.delete(name);
    this.#all = null;
    this.state = 'loaded';
    this.error = null;
    return before.filter((name) => !this.#declared.has(name));
  }

  clear(): void {
    this.#declared.clear();
    this.#inferred.clear();
    this.#all = null;
  }

  /** Read the server's dictionary; retries until it succeeds, and calls `failed` each time. */
  async read(failed: () => void): Promise<readonly Parameter[]> {
    const backoff = new Backoff(1_000, 30_000);
    for (;;) {
      try {
        return (await getJson<{ parameters: readonly Parameter[] }>('telemetry/parameters'))
          .parameters;
      } catch (error) {
        this.state = 'failed';
        this.error = error instanceof Error ? error.message : String(error);
        failed();
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }
}
