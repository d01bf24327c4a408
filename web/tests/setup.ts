import { afterEach, vi } from 'vitest';

// The test files share a process, so each test restores the clock and the globals.
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
