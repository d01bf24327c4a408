import { html, nothing, type TemplateResult } from 'lit';
import type { Finding } from '../transport/wire.ts';
import { type IconName, icon } from './icons.ts';

const SEVERITY_ICONS: Readonly<Record<Finding['severity'], IconName>> = {
  error: 'alarm',
  warning: 'caution',
  info: 'info',
};

/** The findings of a check. `show` is called with the line of one; without it, lines are no buttons. */
export function findingsTable(
  findings: readonly Finding[],
  show?: (line: number) => void,
): TemplateResult {
  return html`<table class="findings" data-testid="findings">
    <thead><tr><th scope="col">severity</th><th scope="col">at</th><th scope="col">finding</th></tr></thead>
    <tbody>
      ${findings.map(
        (finding) => html`<tr data-severity=${finding.severity}>
          <td class="severity">${icon(SEVERITY_ICONS[finding.severity])} ${finding.severity}</td>
          <td class="place">${place(finding, show)}</td>
          <td><span>${finding.message}</span> <code>${finding.code}</code>${finding.hint ? html`<span class="hint">${finding.hint}</span>` : nothing}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function place({ line, column }: Finding, show?: (line: number) => void) {
  if (line === null) return 'file';
  const text = `${line}${column === null ? '' : `:${column}`}`;
  if (show === undefined) return text;
  return html`<button type="button" class="link" title=${`Go to line ${line}`} @click=${() => show(line)}>${text}</button>`;
}
