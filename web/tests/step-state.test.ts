import { expect, test } from 'vitest';
import { applyEvent, newUpload, stepState } from '../src/store/commands.ts';
import type { UploadEvent } from '../src/transport/wire.ts';

const PLAN = ['syntax', 'power', 'safety'].map((name) => ({ name, title: name }));

function states(...events: UploadEvent[]): string[] {
  const upload = newUpload('a', new File(['x'], 'a.seq'));
  applyEvent(upload, { status: 'UPLOADING', detail: '', plan: PLAN });
  for (const event of events) applyEvent(upload, event);
  return PLAN.map(({ name }) => stepState(upload, name));
}

const progress = (step: string, state: 'running' | 'passed' | 'failed' | 'skipped') =>
  ({ status: 'VALIDATING', detail: '', step, state, fraction: 0.5 }) as const;
const REJECTED = { status: 'REJECTED', detail: '', errors: 1, warnings: 0 } as const;

test('a step shows the result that the server reports', () => {
  expect(states(progress('syntax', 'passed'), progress('power', 'running'))).toEqual([
    'passed',
    'running',
    'pending',
  ]);
});

test('a step that did not run is skipped after the verdict', () => {
  const plan = PLAN.map((step, i) => ({ ...step, state: i === 0 ? 'failed' : 'skipped' }) as const);
  expect(states({ ...REJECTED, plan })).toEqual(['failed', 'skipped', 'skipped']);
});

test('the progress of a check names the lines and their rate, once', () => {
  const upload = newUpload('a', new File(['x'], 'a.seq'));
  const lines = (detail: string, line: number | null, lines_per_s: number | null = null) => {
    applyEvent(upload, { ...progress('syntax', 'running'), detail, line, lines: 60, lines_per_s });
    return upload.lines;
  };
  expect(lines('', 7)).toEqual(['line 7 of 60']);
  expect(lines('', 7, 1.3)).toEqual(['line 7 of 60', '1.30 lines/s']);
  expect(lines('line 7 of 60', 7, 250.4)).toEqual(['250 lines/s']);
  expect(lines('waiting', null)).toEqual([]);
});

test('a step runs again after its end', () => {
  expect(states(progress('syntax', 'passed'), progress('syntax', 'running'))[0]).toBe('running');
});

test('after the verdict of a server that reports no results, they are unknown', () => {
  expect(states(progress('power', 'running'), REJECTED)).toEqual(['unknown', 'unknown', 'unknown']);
});

test('the bytes are those that the server has counted, also after a cut', () => {
  const upload = newUpload('a', new File(['x'.repeat(100)], 'a.seq'));
  upload.sent = 100; // The browser has given all of them to the system.
  applyEvent(upload, { status: 'UPLOADING', detail: '', received: 0, size: 100 });
  expect([upload.sent, upload.isCounted]).toEqual([100, false]);
  applyEvent(upload, { status: 'UPLOADING', detail: '', received: 30, size: 100 });
  expect([upload.sent, upload.isCounted]).toEqual([30, true]);
  applyEvent(upload, { status: 'FAILED', detail: 'interrupted', received: 35 });
  expect([upload.sent, upload.isCounted]).toEqual([35, true]);
});
