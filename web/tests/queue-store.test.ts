import { beforeEach, expect, test, vi } from 'vitest';
import { QueueStore } from '../src/store/queue.ts';
import type { WireUpload } from '../src/transport/wire.ts';

let revision = 2;

const upload = () => ({ id: 'a', links: {}, sending: { revision } }) as unknown as WireUpload;

beforeEach(() => {
  revision = 2;
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {} });
  vi.stubGlobal('fetch', async (url: string, { method }: RequestInit = {}) => {
    const { pathname: path } = new URL(url, 'http://rover.test/');
    if (method === 'POST') return Response.json({ detail: 'released already' }, { status: 409 });
    if (path === '/queue') return Response.json({ now: new Date().toISOString(), uploads: [] });
    if (path === '/uploads') return Response.json({ uploads: [], accepts: null });
    return Response.json(upload());
  });
});

async function refused(): Promise<QueueStore> {
  const store = new QueueStore();
  store.select('a');
  await store.poll();
  const seen = upload();
  revision = 3; // Another person was faster.
  await store.act(seen, 'release', 'Ada');
  return store;
}

test('the reason why an action failed stays while the sequence does not change', async () => {
  const store = await refused();
  await store.poll();
  expect(store.failure).toContain('released already');
});

test('the reason why an action failed goes when the sequence changes', async () => {
  const store = await refused();
  revision = 4;
  await store.poll();
  expect(store.failure).toBe('');
});
