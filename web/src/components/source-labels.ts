import { html, nothing } from 'lit';
import { clock, plural } from '../format.ts';
import type { Level } from '../store/limits.ts';
import type { Part, ReadinessStore } from '../store/readiness.ts';
import type { ReplayClock } from '../store/replay-clock.ts';
import type { SourceReadiness } from '../transport/wire.ts';

const LEVELS: Readonly<Record<string, Level>> = {
  live: 'nominal',
  ready: 'nominal',
  ok: 'nominal',
  stale: 'caution',
  degraded: 'alarm',
  down: 'alarm',
};

export function levelOf(state: string): Level {
  return LEVELS[state] ?? 'none';
}

/** `unknown since 07:59:45Z`: the state of a source after the last answer of the server. */
export function unknownSince({ answeredAt }: ReadinessStore): string {
  return answeredAt === null ? 'unknown' : `unknown since ${clock(answeredAt)}Z`;
}

/**
 * Labels for a panel's title: its simulated sources, those that are off or not live at present, and
 * the values and messages that were left out. The header says that states are unknown. In a replay,
 * only the sources that were simulated at its time have labels.
 */
export function sourceLabels(
  readiness: ReadinessStore,
  part: Part,
  replay: ReplayClock | null = null,
) {
  const sources = readiness.sourcesOf(part);
  const simulated =
    replay === null
      ? sources.filter(([, source]) => source.simulated).map(([name]) => name)
      : readiness.simulatedAt(part, replay.ms);
  return html`
    ${
      simulated.length === 0
        ? nothing
        : html`<span class="source-label simulated" data-testid="simulated" title="This data is not real">${
            simulated.length >= sources.length ? 'simulated' : `simulated: ${simulated.join(', ')}`
          }</span>`
    }
    ${replay !== null ? nothing : present(readiness, sources)}
  `;
}

type Sources = ReturnType<ReadinessStore['sourcesOf']>;

function present(readiness: ReadinessStore, sources: Sources) {
  return html`
    ${sources
      .filter(([, { state }]) => state === 'off' || readiness.isCurrent)
      .map(([name, source]) => problem(sources.length > 1 ? `${name} ` : '', source))}
    ${sources.map(([, source]) => [
      count(source.unusable, 'unusable value', source.last_unusable),
      count(source.lost, 'lost message', source.last_lost),
    ])}
  `;
}

function problem(name: string, { state, detail }: SourceReadiness) {
  const level = levelOf(state);
  if (level === 'nominal') return nothing;
  return html`<span class="source-label" data-level=${level} data-testid="source-state" title=${detail}>${name}${state}</span>`;
}

function count(n: number | undefined, noun: string, last: string | null | undefined) {
  if (!n) return nothing;
  const text = `${plural(n, noun)}${last ? `, last ${last}` : ''}`;
  return html`<span class="source-label" data-testid="unusable" title=${text}>${text}</span>`;
}
