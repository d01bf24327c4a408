import { beforeEach, expect, test, vi } from 'vitest';
import { ImagesStore } from '../src/store/images.ts';
import type { ImageInfo } from '../src/transport/wire.ts';

const BYTES = new TextEncoder().encode('two images with the same bytes');

function image(id: string, camera = 'mast'): ImageInfo {
  return {
    id,
    camera,
    content_type: 'image/png',
    size: BYTES.byteLength,
    received: BYTES.byteLength,
    complete: true,
    revision: '1',
    taken_at: null,
    received_at: null,
    width: null,
    height: null,
    sha256: '00'.repeat(32),
    metadata: {},
    url: `images/${id}`,
    stream: `stream/${id}`,
  };
}

let downloads: string[] = [];

beforeEach(() => {
  downloads = [];
  vi.useFakeTimers({ toFake: ['setInterval'] });
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', {
    baseURI: 'http://rover.test/',
    visibilityState: 'visible',
    addEventListener: () => {},
  });
  vi.stubGlobal('fetch', async (url: string) => {
    const { pathname: path, searchParams } = new URL(url);
    const images = [image('new'), image('old'), image('new', 'belly')];
    const camera = searchParams.get('camera');
    if (path === '/images') {
      return Response.json({ images: images.filter((one) => !camera || one.camera === camera) });
    }
    downloads.push(path);
    return new Response(BYTES);
  });
});

async function shown(store: ImagesStore, id: string): Promise<ImagesStore['shown']> {
  return vi.waitFor(() => {
    expect(store.shown?.image.id).toBe(id);
    expect(store.shown?.status.state).not.toBe('arriving');
    return store.shown;
  });
}

test('an image with another digest than the announced one is broken', async () => {
  const store = new ImagesStore();
  store.start();
  expect((await shown(store, 'new'))?.status.state).toBe('broken');
});

test('a cached image is not shown as verified if the browser cannot verify it', async () => {
  vi.stubGlobal('crypto', {}); // as on a page that was loaded over plain HTTP
  const store = new ImagesStore();
  store.start();
  await shown(store, 'new');
  store.select(image('old'));
  await shown(store, 'old');
  store.select(image('new'));
  expect((await shown(store, 'new'))?.status).toEqual({ state: 'complete', verified: false });
  expect(downloads).toEqual(['/stream/new', '/stream/old']);
});

test('one camera can be chosen, and an image is never taken for one of another camera', async () => {
  const store = new ImagesStore();
  store.start();
  await shown(store, 'new');
  store.select(image('new', 'belly'));
  await vi.waitFor(() => expect(store.shown?.image.camera).toBe('belly'));
  store.setCamera('mast');
  await vi.waitFor(() => expect(store.list?.map((one) => one.camera)).toEqual(['mast', 'mast']));
  expect(store.shown?.image).toMatchObject({ id: 'new', camera: 'mast' });
});

test('older images are added page by page, and stay when new images arrive', async () => {
  let names = ['e', 'd', 'c', 'b', 'a'];
  vi.stubGlobal('fetch', async (url: string) => {
    const { pathname, searchParams } = new URL(url);
    if (pathname !== '/images') return new Response(BYTES);
    const from = names.indexOf(searchParams.get('cursor') ?? '') + 1;
    const images = names.slice(from, from + 2).map((id) => image(id));
    return Response.json({ images, next: names[from + 2] ? names[from + 1] : null });
  });
  const ids = (store: ImagesStore) => store.list?.map((one) => one.id).join('');
  const store = new ImagesStore();
  store.start();
  await vi.waitFor(() => expect(ids(store)).toBe('ed'));
  await store.loadOlder();
  await store.loadOlder();
  await store.loadOlder();
  expect(ids(store)).toBe('edcba');
  names = ['f', ...names];
  store.refresh();
  await vi.waitFor(() => expect(ids(store)).toBe('fedcba'));
  names = ['i', 'h', 'g', ...names];
  store.refresh();
  await vi.waitFor(() => expect(ids(store)).toBe('ih')); // with a gap between g and f
  await store.loadOlder();
  expect(ids(store)).toBe('ihgf');
});

test('an image that is not in the list is found by its id, and stays shown', async () => {
  const old = image('100%/a b.png', 'belly');
  vi.stubGlobal('fetch', async (url: string) => {
    const { pathname, searchParams } = new URL(url);
    if (pathname !== '/images') return new Response(BYTES);
    const isSearch = searchParams.get('q') === old.id;
    return Response.json({ images: isSearch ? [image(`x${old.id}`), old] : [image('new')] });
  });
  const store = new ImagesStore();
  store.start();
  await shown(store, 'new');
  expect(await store.find('nothing')).toBe(false);
  expect(await store.find(old.id, 'mast')).toBe(false);
  expect(await store.find(old.id)).toBe(true);
  store.refresh();
  await shown(store, old.id);
  expect(store.followLatest).toBe(false);
});

test('a broken image shows its bytes and the reason of the server, and is requested once', async () => {
  const part: ImageInfo = {
    ...{ ...image('cut'), complete: false, state: 'broken', reason: 'the camera hung up' },
    ...{ size: 1_000, sha256: null },
  };
  let lists = 0;
  vi.stubGlobal('fetch', async (url: string) => {
    if (url.includes('/images')) {
      lists += 1;
      return Response.json({ images: [part] });
    }
    downloads.push(url);
    return new Response(BYTES, { headers: { 'content-length': '1000' } });
  });
  const store = new ImagesStore();
  store.start();
  await vi.waitFor(() => expect(store.shown?.frame?.size).toBe(BYTES.byteLength));
  const status = { state: 'broken', reason: 'the camera hung up', isFinal: true };
  expect(store.shown).toMatchObject({ status, received: BYTES.byteLength, expected: 1_000 });
  await vi.waitFor(() => {
    store.refresh();
    expect(lists).toBeGreaterThan(2);
  });
  expect(downloads).toHaveLength(1);
});

test('an image that breaks while it is shown is broken at once, and loaded again if it continues', async () => {
  const part = { ...image('cut'), complete: false, size: 1_000, received: 1, sha256: null };
  let listed: ImageInfo = { ...part, state: 'arriving' };
  vi.stubGlobal('fetch', async (url: string) => {
    if (url.includes('/images')) return Response.json({ images: [listed] });
    return new Response(new ReadableStream({ start: (stream) => stream.enqueue(BYTES) }));
  });
  const store = new ImagesStore();
  store.start();
  await vi.waitFor(() => expect(store.shown?.received).toBe(BYTES.byteLength));
  listed = { ...part, state: 'broken', reason: 'the camera hung up' };
  store.refresh();
  await vi.waitFor(() => expect(store.shown?.status).toMatchObject({ reason: listed.reason }));
  listed = { ...part, state: 'arriving' };
  store.refresh();
  await vi.waitFor(() => expect(store.shown?.status.state).toBe('arriving'));
});
