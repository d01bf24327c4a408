import { html, nothing, type PropertyValues } from 'lit';
import type { Finding } from '../transport/wire.ts';
import { PageElement } from './element.ts';

/** Maximum number of lines: more would make the page slow. */
const MAX_LINES = 5_000;

const WORST = ['error', 'warning', 'info'] as const;

type NumberedLine = { readonly line: number; readonly text: string };

/** The lines of a text. */
function numbered(text: string): readonly NumberedLine[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.map((one, index) => ({ line: index + 1, text: one }));
}

/** The lines with findings, in the order of the file. */
export function linesWithFindings(findings: readonly Finding[]): readonly NumberedLine[] {
  const lines = new Map<number, string>();
  for (const { line, text } of findings) {
    if (line !== null && typeof text === 'string' && !lines.has(line)) lines.set(line, text);
  }
  return [...lines].map(([line, text]) => ({ line, text })).sort((a, b) => a.line - b.line);
}

/** The lines of a command file with their numbers; those with findings are marked. */
export class SourceText extends PageElement {
  /** Of the file; `null` if only the lines with findings are known. */
  declare text: string | null;
  declare findings: readonly Finding[];
  /** The line to show; `null` for none. */
  declare line: number | null;
  static override properties = {
    text: { attribute: false },
    findings: { attribute: false },
    line: { attribute: false },
  };

  protected override render() {
    const lines = this.text === null ? linesWithFindings(this.findings) : numbered(this.text);
    const marks = marksOf(this.findings);
    return html`
      <ol class="source" tabindex="0" aria-label="Text of the file" data-testid="source">
        ${lines
          .slice(0, MAX_LINES)
          .map(
            ({ line, text }) =>
              html`<li data-line=${line} data-severity=${marks.get(line) ?? nothing} aria-current=${this.line === line ? 'true' : nothing}><code>${text || ' '}</code></li>`,
          )}
      </ol>
      ${lines.length > MAX_LINES ? html`<p class="note">Only the first ${MAX_LINES} lines are shown.</p>` : nothing}
    `;
  }

  protected override updated(changed: PropertyValues): void {
    if (!(changed.has('line') || changed.has('text')) || this.line === null) return;
    this.querySelector(`[data-line="${this.line}"]`)?.scrollIntoView({ block: 'center' });
  }
}

/** The worst severity of the findings of each line. */
function marksOf(findings: readonly Finding[]): ReadonlyMap<number, Finding['severity']> {
  const marks = new Map<number, Finding['severity']>();
  for (const { line, severity } of findings) {
    if (line === null) continue;
    const known = marks.get(line);
    if (known === undefined || WORST.indexOf(severity) < WORST.indexOf(known)) {
      marks.set(line, severity);
    }
  }
  return marks;
}
