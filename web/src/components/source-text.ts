import { html, nothing, type PropertyValues } from 'lit';
import type { Finding } from '../transport/wire.ts';
import { PageElement } from './element.ts';

/** Maximum number of lines: more would make the page slow. */
const MAX_LINES = 5_000;

const WORST = ['error', 'warning', 'info'] as const;

/** The text of a command file with the numbers of its lines; those with findings are marked. */
export class SourceText extends PageElement {
  declare text: string;
  declare findings: readonly Finding[];
  /** The line to show; `null` for none. */
  declare line: number | null;
  static override properties = {
    text: { attribute: false },
    findings: { attribute: false },
    line: { attribute: false },
  };

  protected override render() {
    const lines = this.text.split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    const marks = marksOf(this.findings);
    return html`
      <ol class="source" tabindex="0" aria-label="Text of the file" data-testid="source">
        ${lines
          .slice(0, MAX_LINES)
          .map(
            (text, index) =>
              html`<li data-line=${index + 1} data-severity=${marks.get(index + 1) ?? nothing} aria-current=${this.line === index + 1 ? 'true' : nothing}><code>${text || ' '}</code></li>`,
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
