import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Relative, so that one build works under any mount prefix.
  base: './',
  build: {
    target: 'es2022',
    // The served Content-Security-Policy allows no data: URIs and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  test: { include: ['tests/**/*.test.ts'] },
});
