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

test('a step runs again after its end', () => {
  expect(states(progress('syntax', 'passed'), progress('syntax', 'running'))[0]).toBe('running');
});

test('after the verdict of a server that reports no results, they are unknown', () => {
  expect(states(progress('power', 'running'), REJECTED)).toEqual(['unknown', 'unknown', 'unknown']);
});
