import { expect, test } from 'vitest';
import { contentOf, linkOf, linkToTime } from '../src/store/links.ts';
import type { MessageData } from '../src/transport/wire.ts';

const link = (kind: string | undefined, data: object | undefined) =>
  linkOf({
    ...{ id: 'e-1', from: 'Ada', text: 'look', at: '2026-11-28T08:00:00.000Z' },
    ...(kind === undefined ? {} : { kind }),
    ...(data === undefined ? {} : { data: data as MessageData }),
  });

test('links and messages of the mission lead to one part of the mission', () => {
  expect(link('link', { t: '2026-11-28T08:00Z' })).toEqual({ to: 't', id: '2026-11-28T08:00Z' });
  expect(link('link', { alarm: 'a-1', severity: 2 })).toEqual({ to: 'alarm', id: 'a-1' });
  expect(link('system', { category: 'images', image: 'a.png', camera: 'mast' })).toEqual({
    ...{ to: 'image', id: 'a.png', camera: 'mast' },
  });
});

test('other messages have no link', () => {
  expect(link(undefined, undefined)).toBeNull();
  expect(link('note', { t: '2026-11-28T08:00Z' })).toBeNull();
  expect(link('link', { t: 7 })).toBeNull();
  expect(link('system', { category: 'images' })).toBeNull();
});

test('a link to share has the data of a message that leads to it', () => {
  const moment = linkToTime(Date.parse('2026-11-28T08:00:00.250Z'));
  expect(linkOf(contentOf(moment))).toEqual({ to: 't', id: '2026-11-28T08:00:00.250Z' });
  const image = { to: 'image', id: 'a.png', camera: 'mast', name: 'Image a' } as const;
  expect(linkOf(contentOf(image))).toEqual({ to: 'image', id: 'a.png', camera: 'mast' });
});
