import { expect, test } from 'vitest';
import { parseJson } from '../src/transport/json.ts';

test('integers beyond 2^53 keep all their digits', () => {
  expect(parseJson('{"ticks":9223372036854775807,"low":[-9223372036854775808,1]}')).toEqual({
    ticks: 9223372036854775807n,
    low: [-9223372036854775808n, 1],
  });
});

test('other numbers and the digits of texts stay as they are', () => {
  const text =
    '{"a":9007199254740991,"b":0.12345678901234567,"c":1234567890123456789e2,"d":"12345678901234567890 \\"\\\\","9007199254740993":null}';
  expect(parseJson(text)).toEqual(JSON.parse(text));
});

test('malformed JSON with a long number is an error', () => {
  expect(() => parseJson('{"ticks":9223372036854775807')).toThrow(SyntaxError);
});
