import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beside, masked, rule, setRules } from '../../../test/support/masking.ts';
import { maskDocument } from './document.ts';
import { walked } from './kinds.ts';

setRules([
  rule({ name: 'card', detector: 'payment-card' }),
  rule({ name: 'email', detector: 'email' }),
  rule({ name: 'password', fields: ['password'] }),
]);

const TYPE = 'multipart/form-data; charset="utf-8"; boundary=xyz';

const mask = (source: string | Uint8Array, type = TYPE, isCut = false): ReturnType<typeof masked> =>
  masked(source, (at, end, cut) => maskDocument(at, end, cut, ...beside(type)), isCut);

interface Part {
  readonly head: string;
  readonly body: string;
}

const join = (parts: readonly Part[], boundary = 'xyz', eol = '\r\n'): string =>
  `${parts.map(({ head, body }) => `--${boundary}${eol}${head}${eol}${eol}${body}${eol}`).join('')}--${boundary}--${eol}`;

const named = (name: string, body: string, more = ''): Part => ({ head: `Content-Disposition: form-data; name="${name}"${more}`, body });

test('parts are masked by their names and by what they hold', () => {
  for (const eol of ['\r\n', '\n']) {
    const { text, found } = mask(
      join([named('user[password]', 'hunter2'), named('note', 'to ann@example.com'), named('n', '5')], 'xyz', eol),
    );
    assert.equal(text, join([named('user[password]', '*password*'), named('note', 'to *email*'), named('n', '5')], 'xyz', eol));
    assert.deepEqual(found, ['password user[password]', 'email note']);
  }
});

test('each part is walked by its own type', () => {
  const typed = (name: string, type: string, body: string): Part => named(name, body, `\r\nContent-Type: ${type}`);
  assert.equal(
    mask(
      join([
        typed('a', 'application/json', '{"password":"x","b":[1]}'),
        typed('b', 'text/xml', '<password>x</password>'),
        typed('c', 'image/png', '\0\x01'),
      ]),
    ).text,
    join([
      typed('a', 'application/json', '{"password":"*password*","b":[1]}'),
      typed('b', 'text/xml', '<password>*password*</password>'),
      typed('c', 'image/png', ''),
    ]),
  );
  assert.equal(mask(join([named('a', '{"password":"x","b":1}')])).text, join([named('a', '{"password":"*password*","b":1}')]));
});

test('names of files, and other fields of a head, are looked at', () => {
  assert.equal(
    mask(join([named('f', 'x', '; filename="ann@example.com.txt"; filename*=UTF-8\'\'ann%40example.com\r\nX-From: bob@example.com')])).text,
    join([named('f', 'x', '; filename="*email*"; filename*=*email*\r\nX-From: *email*')]),
  );
  const { text, found } = mask(join([named('ann@example.com', 'bob@example.com')]));
  assert.equal(text, join([named('*email*', '*email*')]));
  assert.deepEqual(found, ['email', 'email *']);
});

test('parts in a transfer coding are looked at decoded', () => {
  const coded = (coding: string, body: string): Part => named('a', body, `\r\nContent-Transfer-Encoding: ${coding}`);
  const base64 = Buffer.from('to ann@example.com').toString('base64');
  assert.equal(
    mask(join([coded('base64', base64), coded('BASE64', 'aGVsbG8=')])).text,
    join([coded('base64', '*email*'), coded('BASE64', 'aGVsbG8=')]),
  );
  assert.equal(mask(join([coded('quoted-printable', 'ann=40exam=\r\nple.com')])).text, join([coded('quoted-printable', '*email*')]));
  assert.equal(mask(join([coded('base64', '!!')])).text, join([coded('base64', '*unreadable*')]));
});

test('multipart in multipart, to a depth of three', () => {
  const wrap = (body: string, depth: number): Part => ({ head: `Content-Type: multipart/mixed; boundary=b${depth}`, body });
  const nest = (inner: string, depth: number): string => {
    let text = inner;
    for (let d = depth; d > 0; d--) text = join([wrap(text, d)], d === 1 ? 'xyz' : `b${d - 1}`);
    return text;
  };
  const leaf = (body: string, depth: number): string => join([named('password', body)], depth === 0 ? 'xyz' : `b${depth}`);
  for (const depth of [0, 1, 2]) assert.equal(mask(nest(leaf('x', depth), depth)).text, nest(leaf('*password*', depth), depth));
  assert.equal(mask(nest(leaf('x', 3), 3)).text, nest('*unreadable*', 3));
});

test('the boundary is believed where it is found', () => {
  const source = join([named('password', 'x')]);
  assert.equal(mask(source, 'multipart/form-data; boundary=other').text, '*unreadable*');
  assert.equal(mask(source, 'multipart/form-data; boundary="xyz"').text, join([named('password', '*password*')]));
  assert.equal(mask(source, 'Multipart/Form-Data').text, join([named('password', '*password*')]));
  assert.equal(mask('hunter2', 'multipart/form-data').text, '*unreadable*');
  assert.equal(mask(join([named('a', 'b\r\n--xy\r\n --xyz\r\nx--xyz')])).isChanged, false);
});

test('what stands around the parts is text; a missing end is no harm', () => {
  assert.equal(
    mask(`to ann@example.com\r\n${join([named('a', 'b')])}by bob@example.com`).text,
    `to *email*\r\n${join([named('a', 'b')])}by *email*`,
  );
  assert.equal(
    mask('--xyz\r\nContent-Disposition: form-data; name=password\r\n\r\nhunter2').text,
    '--xyz\r\nContent-Disposition: form-data; name=password\r\n\r\n*password*',
  );
  assert.equal(mask('--xyz\r\nhunter2\r\n--xyz--').text, '--xyz\r\n*unreadable*\r\n--xyz--');
});

test('a body cut anywhere shows nothing of what is sensitive', () => {
  const source = join([
    named('password', 'hunter2hunter2'),
    named('card', '4111 1111 1111 1111'),
    named('f', '{"password":"hunter3hunter3","a":"ann@example.com"}', '; filename="bob@example.com"\r\nContent-Type: application/json'),
    named('x', Buffer.from('ann@example.com').toString('base64'), '\r\nContent-Transfer-Encoding: base64'),
  ]);
  for (let n = 0; n < source.length; n++)
    assert.doesNotMatch(mask(source.slice(0, n), TYPE, true).text, /hunter|ann@|bob@|4111 1|YW5uQGV4/, `cut at ${n}`);
});

test('hostile bodies are passed a bounded number of times', () => {
  const size = 200_000;
  const fill = (s: string): string => s.repeat(Math.ceil(size / s.length)).slice(0, size);
  const long = 'a'.repeat(190);
  for (const [source, type] of [
    [fill('--xyz\r\n'), TYPE],
    [fill('\n--xy'), TYPE],
    [fill('--xyz\r\n\r\n--xyz'), TYPE],
    [`--${long}\r\n\r\n${fill(`\n--${long.slice(1)}`)}`, `multipart/mixed; boundary=${long}`],
    [`--xyz\r\nContent-Disposition: ${fill(';name=')}\r\n\r\n`, TYPE],
  ]) {
    walked[0] = 0;
    mask(source, type);
    assert.ok(walked[0] <= 24 * source.length, `${source.slice(0, 20)}: ${walked[0] / source.length} times`);
  }
});

test('a part with several names is masked under any of them', () => {
  const head = (dispositions: string): string => `--xyz\r\n${dispositions}\r\n\r\nhunter2\r\n--xyz--`;
  for (const dispositions of [
    'Content-Disposition: form-data; name="password"; name="x"',
    'Content-Disposition: form-data; name="x"; name="password"',
    `Content-Disposition: form-data; name="x"; name*=UTF-8''pass%77ord; filename="a"`,
    'Content-Disposition: form-data; name="password"\r\nContent-Disposition: form-data; name="x"',
    'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="password"',
  ])
    assert.equal(mask(head(dispositions)).text, head(dispositions).replace('hunter2', '*password*'), dispositions);
});
