import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Masked, masked, rule, setRules } from '../../../test/support/masking.ts';
import { walked } from './kinds.ts';
import './document.ts';
import { maskJson } from './json.ts';

const CARD = '4111111111111111';
const rules = [
  rule({ name: 'card', detector: 'payment-card', notFields: ['reference'] }),
  rule({ name: 'email', detector: 'email', notFields: ['template'] }),
  rule({ name: 'text', detector: 'secret-in-text' }),
  rule({ name: 'password', fields: ['password'] }),
  rule({ name: 'payment', fields: ['payment'] }),
  rule({ name: 'noted', fields: ['nickname'], action: 'report' }),
];
setRules(rules);

const mask = (source: string, isCut = false): Masked => masked(source, maskJson, isCut);
const textOf = (source: string, isCut = false): string => mask(source, isCut).text;

test('strings and numbers are masked where they stand, and the place is known', () => {
  const { text, found } = mask(`{"users":[{"mail":"to ann@example.com now"},{"n":${CARD}}],"page":1}`);
  assert.equal(text, '{"users":[{"mail":"to *email* now"},{"n":"*card*"}],"page":1}');
  assert.deepEqual(found, ['email users.0.mail', 'card users.1.n']);
});

test('a number as some writers show long ones is still a number of a card', () => {
  assert.equal(
    textOf('[4.111111111111111E15, 4111111111111111.0, 4.11111111111111100e+15, 12.5, 1e400]'),
    '["*card*", "*card*", "*card*", 12.5, 1e400]',
  );
});

test('a name with a rule masks its value, and every leaf below it; null and names stay', () => {
  assert.equal(
    textOf('{"password":"x","payment":{"number":1,"tags":["a",{"b":true}],"none":null,"":""},"after":1}'),
    '{"password":"*password*","payment":{"number":"*payment*","tags":["*payment*",{"b":"*payment*"}],"none":null,"":""},"after":1}',
  );
  assert.equal(textOf('{"password":["a",["b"]],"list":["a"]}'), '{"password":["*password*",["*password*"]],"list":["a"]}');
});

test('escapes are undone in names and in values; the value is then masked whole', () => {
  assert.equal(textOf('{"pass\\u0077ord":"x"}'), '{"pass\\u0077ord":"*password*"}');
  assert.equal(textOf(`{"a":"card ${[...CARD].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('')}"}`), '{"a":"*card*"}');
  assert.equal(textOf('{"a":"ann\\u0040example.com \\ud83d\\ude00"}'), '{"a":"*email*"}');
  assert.equal(textOf('{"a":"https:\\/\\/shop.example\\/?password=x"}'), '{"a":"*password*"}');
  assert.equal(textOf('{"a":"quote \\" and \\\\"}'), '{"a":"quote \\" and \\\\"}');
});

test('a name that is itself sensitive is masked in its place, and not in the report', () => {
  const { text, found } = mask('{"ann@example.com":{"password":"x"}}');
  assert.equal(text, '{"*email*":{"password":"*password*"}}');
  assert.deepEqual(found, ['email', 'password *.password']);
});

test('of members with one name each is looked at', () => {
  assert.equal(textOf('{"password":"a","password":"b"}'), '{"password":"*password*","password":"*password*"}');
});

test('elements of an array stand under its name, also behind other names', () => {
  assert.equal(
    textOf('{"template":["ann@example.com",{"x":1,"y":["b@example.com"]},"c@example.com"],"z":"d@example.com"}'),
    '{"template":["ann@example.com",{"x":1,"y":["*email*"]},"c@example.com"],"z":"*email*"}',
  );
  assert.equal(textOf(`{"reference":[{"x":[${CARD}]},${CARD},[${CARD}]]}`), `{"reference":[{"x":["*card*"]},${CARD},[${CARD}]]}`);
  assert.equal(
    textOf(`[{"reference":1},${CARD},{"reference":["{\\"a\\":1}",${CARD}]}]`),
    `[{"reference":1},"*card*",{"reference":["{\\"a\\":1}",${CARD}]}]`,
  );
});

test('lists of names and values: the value stands under the name', () => {
  assert.equal(
    textOf(
      '[{"name":"password","value":"x"},{"Key":"user-password","Value":[1]},{"name":"Password manager","value":3},{"name":"size","value":4}]',
    ),
    '[{"name":"password","value":"*password*"},{"Key":"user-password","Value":["*password*"]},{"name":"Password manager","value":3},{"name":"size","value":4}]',
  );
});

test('lists of names and values: in either order, under all names that such lists use', () => {
  const hidden = '"*password*"';
  for (const [name, value] of [
    ['name', 'value'],
    ['Name', 'Value'],
    ['KEY', 'VALUE'],
    ['key', 'value'],
    ['k', 'v'],
    ['field', 'content'],
    ['key', 'val'],
    ['name', 'values'],
  ])
    for (const [source, wanted] of [
      ['"x"', hidden],
      ['17', hidden],
      ['["x",{"a":"y"}]', `[${hidden},{"a":${hidden}}]`],
      ['{"stringValue":"x"}', `{"stringValue":${hidden}}`],
    ]) {
      const pair = (text: string): string[] => [
        `{"${name}":"password","${value}":${text}}`,
        `{"${value}":${text},"${name}":"password"}`,
        `[{"id":1,"${value}":${text},"note":"n","${name}":"password","e":"z"},{"${value}":"stays","${name}":"size"}]`,
        `{"${name}":"password","meta":{"${name}":"size","${value}":"stays"},"${value}":${text}}`,
        `{"name":"password","key":"size","${value}":${text}}`,
        `{"a":[{"${value}":{"${value}":${text}},"${name}":"user-password"}]}`,
      ];
      for (const [i, text] of pair(source).entries()) assert.equal(textOf(text), pair(wanted)[i], text);
    }
  const inner = JSON.stringify({ value: 'x', name: 'password' });
  assert.equal(textOf(`{"a":${JSON.stringify(inner)}}`), '{"a":"*password*"}');
  assert.equal(textOf('{"value":"ann@example.com","name":"size","b":1}'), '{"value":"*email*","name":"size","b":1}');
});

test('values before their names, one in the other: time stays linear, and nothing is passed', () => {
  for (const depth of [2, 120, 300, 5000]) {
    const text = `${'{"v":'.repeat(depth)}"hunter2"${',"k":"password"}'.repeat(depth)}`;
    const before = walked[0];
    assert.doesNotMatch(textOf(text), /hunter2/);
    assert.ok(walked[0] - before <= 4 * text.length, `${walked[0] - before} bytes of ${text.length}`);
  }
});

test('a rule that only reports leaves the value to the others', () => {
  const { text, found } = mask('{"nickname":"annie","b":{"nickname":"ann@example.com"}}');
  assert.equal(text, '{"nickname":"annie","b":{"nickname":"*email*"}}');
  assert.deepEqual(found, ['noted nickname', 'email b.nickname']);
});

test('documents inside of strings are walked; what is found masks the string', () => {
  assert.equal(textOf(JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ password: 'x' }) }), c: 1 })), '{"a":"*password*","c":1}');
  assert.equal(textOf('{"a":"x=1&password=hunter%32"}'), '{"a":"*password*"}');
  assert.equal(textOf('{"a":"<r><password>x</password></r>"}'), '{"a":"*password*"}');
  assert.equal(textOf('{"a":"mail ann%40example.com"}'), '{"a":"*email*"}');
  assert.equal(textOf(`{"a":"${Buffer.from('{"password":"x"}').toString('base64')}"}`), '{"a":"*password*"}');
  assert.equal(textOf('{"a":"[INFO] sent to ann@example.com","b":"{ok}"}'), '{"a":"[INFO] sent to *email*","b":"{ok}"}');
});

test('of a URL only its parts are masked', () => {
  assert.equal(
    textOf('{"a":"https://shop.example/u/ann@example.com?page=1&password=x#top"}'),
    '{"a":"https://shop.example/u/*email*?page=1&password=*password*#top"}',
  );
});

test('what is nested deeper than the limit is closed', () => {
  let inner = '{"a":"clean"}';
  for (let i = 0; i < 4; i++) inner = JSON.stringify({ a: inner });
  assert.equal(mask(inner).isChanged, false);
  assert.equal(textOf(JSON.stringify({ a: inner })), '{"a":"*unreadable*"}');
});

test('GraphQL in a query is walked, its variables are members like others', () => {
  assert.equal(
    textOf('{"query":"mutation { login(password: \\"x\\") { id } }","variables":{"password":"y","id":3}}'),
    '{"query":"*password*","variables":{"password":"*password*","id":3}}',
  );
  assert.equal(mask('{"query":"query Q($id: ID!) { user(id: $id) { name password } }","variables":{"id":3}}').isChanged, false);
});

test('what servers read is read', () => {
  for (const clean of [
    '\ufeff{"a":1}',
    ')]}\',\n{"a":1}',
    'for(;;);{"a":1}',
    'callback({"a":1});',
    '/**/jQuery.cb_1({"a":1})',
    '{"a":[1,2,],}',
    '[NaN,-Infinity,undefined,true,null,-0.5e-7]',
    '{"a":1}\n{"a":2}\r\n',
    '\x1e{"a":1}\n\x1e{"a":2}\n',
    '{"a":"tab\tand\nline"}',
    '"text"',
    ' 12 ',
    '{}[]""',
  ])
    assert.equal(textOf(clean), clean);
  assert.equal(textOf('cb({"password":"x"});'), 'cb({"password":"*password*"});');
  assert.equal(textOf('{"password":"a"}\n{"password":"b"}\n'), '{"password":"*password*"}\n{"password":"*password*"}\n');
});

test('from broken grammar on everything is one edit', () => {
  for (const [source, expected] of [
    ['{"a":1,b:"hunter2","c":2}', '{"a":1,"*unreadable*"'],
    ["{'password':'hunter2'}", '{"*unreadable*"'],
    ['{"a":1}}"hunter2"', '{"a":1}"*unreadable*"'],
    ['{"a" "hunter2"}', '{"*unreadable*"'],
    ['{"a":"hunter2', '{"a":"*unreadable*"'],
    ['["hunter1" "hunter2"]', '["hunter1" "*unreadable*"'],
    ['{"a":}', '{"a":"*unreadable*"'],
    ['{"a":tru,"b":"hunter2"}', '{"a":"*unreadable*"'],
    ['{"a":// hunter2\n1}', '{"a":"*unreadable*"'],
    ['[1}', '[1"*unreadable*"'],
    ['{\0"\0a\0"\0:\0', '{"*unreadable*"'],
  ])
    assert.equal(textOf(source), expected);
});

test('where the kept bytes end, the token that is cut is masked', () => {
  assert.equal(textOf('{"a":"hunter', true), '{"a":"*unreadable*');
  assert.equal(textOf('{"a":"b","hunter', true), '{"a":"b","*unreadable*');
  assert.equal(textOf('{"a":41111', true), '{"a":"*unreadable*"');
  assert.equal(textOf('{"a":"b\\', true), '{"a":"*unreadable*');
  assert.equal(textOf('{"a":tr', true), '{"a":"*unreadable*"');
  for (const whole of ['{"a":"b"', '{"a":"b",', '{"a":', '{"a"', '{', '[[1],', '{"a":"']) assert.equal(textOf(whole, true), whole);
});

test('a document cut anywhere shows nothing of what is sensitive', () => {
  const source = JSON.stringify({
    mail: 'ann@example.com',
    card: Number(CARD),
    payment: { number: 'hunter2hunter2', list: ['hunter3hunter3'] },
    inner: JSON.stringify({ password: 'hunter4hunter4' }),
    'bob@example.com': 1,
    password: 'hunter5\u00e9\\"',
  });
  for (const isCut of [true, false])
    for (let n = 0; n < source.length; n++) {
      const text = textOf(source.slice(0, n), isCut);
      assert.doesNotMatch(text, /hunter|example|41111/, `cut at ${n}: ${text}`);
    }
});

test('any depth: a million brackets, and a secret below a hundred thousand', () => {
  const deep = '['.repeat(1 << 20);
  walked[0] = 0;
  assert.equal(textOf(deep).length > 0, true);
  assert.ok(walked[0] <= 2 * deep.length);
  const n = 100_000;
  assert.equal(
    textOf(`${'{"a":['.repeat(n)}{"password":"x"},"ann@example.com"${']}'.repeat(n)}`),
    `${'{"a":['.repeat(n)}{"password":"*password*"},"*email*"${']}'.repeat(n)}`,
  );
  const { text, found } = mask(`${'[{"a":'.repeat(50)}"ann@example.com"${'}]'.repeat(50)}`);
  assert.equal(text, `${'[{"a":'.repeat(50)}"*email*"${'}]'.repeat(50)}`);
  assert.equal(found.length, 1);
});

test('hostile documents are passed a bounded number of times', () => {
  const size = 200_000;
  const unit = (s: string): string => s.repeat(Math.ceil(size / s.length)).slice(0, size);
  for (const source of [
    unit('"\\u0041=%25'),
    `"${unit('a=%25253D&')}"`,
    `"${unit('{a:[')}"`,
    `"${unit('<a b=')}"`,
    `"${unit('query{a(b:')}"`,
    `["${unit('http://a/?b=')}"]`,
    `"${unit('\\\\')}"`,
    unit('{"":'),
    unit('["",'),
    JSON.stringify(JSON.stringify(JSON.stringify(JSON.stringify(unit('"a=b&')))).slice(0, size)),
  ]) {
    walked[0] = 0;
    masked(source, maskJson);
    assert.ok(walked[0] <= 64 * source.length, `${source.slice(0, 20)}: ${walked[0] / source.length} times`);
  }
});

test('lists of names and values: names with blanks count when they end in what has a rule', () => {
  for (const name of ['User Password', 'password ', ' \\tpassword', 'Your password (again): *', 'Password', 'the\\u0020password'])
    for (const [source, wanted] of [
      [`{"name":"${name}","value":"x"}`, `{"name":"${name}","value":"*password*"}`],
      [`{"value":["x"],"name":"${name}"}`, `{"value":["*password*"],"name":"${name}"}`],
    ])
      assert.equal(textOf(source), wanted);
  for (const title of ['Password manager', 'A password for all', 'Mary Smith', 'Password Manager 2 (new)'])
    assert.equal(mask(`{"name":"${title}","value":3}`).isChanged, false, title);
});

test('lists of names and values: with escapes in their names, and several values', () => {
  for (const [source, wanted] of [
    ['[{"n\\u0061me":"password","v\\u0061lue":"x"}]', '[{"n\\u0061me":"password","v\\u0061lue":"*password*"}]'],
    ['[{"\\u0076":"x","\\u006b":"pass\\u0077ord"}]', '[{"\\u0076":"*password*","\\u006b":"pass\\u0077ord"}]'],
    ['{"value":"x","v":"y","name":"password"}', '{"value":"*password*","v":"*password*","name":"password"}'],
  ])
    assert.equal(textOf(source), wanted);
  const behind = (value: string): string => `{"path":["a"],"name":{"x":"password"},"list":[{"name":"password","value":"${value}"}]}`;
  assert.equal(textOf(behind('x')), behind('*password*'));
});

test('lists of names and values, cut: a value whose name has not come is masked', () => {
  for (const [cut, wanted] of [
    ['[{"value":"hunter2","na', '[{"*unreadable*"'],
    ['[{"value":"hunter2","name":"pass', '[{"*unreadable*"'],
    ['[{"a":1,"value":{"s":"hunter2","b', '[{"a":1,"*unreadable*"'],
    ['[{"value":["hunter2"],"meta":{"name":"size","value":17},"na', '[{"*unreadable*"'],
    ['[{"value":17,"name":"size","id":1', '[{"value":17,"name":"size","id":"*unreadable*"'],
    ['[{"name":"size","value":17,"id"', '[{"name":"size","value":17,"id"'],
    ['[{"value":17},{"id"', '[{"value":17},{"id"'],
  ])
    assert.equal(textOf(cut, true), wanted);
  assert.match(textOf(`{"content":[${'{"a":"tea"},'.repeat(200)}`, true), /"tea"/);
  assert.doesNotMatch(textOf(`${'{"a":'.repeat(300)}{"value":"hunter2","na`, true), /hunter2/);
});

test('what is nested too deeply, and may hold more than a text shows, is closed', () => {
  const deep = (value: string, levels: number): string => {
    let text = value;
    for (let i = 0; i < levels; i++) text = JSON.stringify({ a: text });
    return text;
  };
  const coded = (text: string, times: number): string => {
    let result = text;
    for (let i = 0; i < times; i++) result = encodeURIComponent(result);
    return result;
  };
  const base64 = Buffer.from('{"password":"hunter2"}').toString('base64');
  for (const [inner, levels] of [
    [base64, 5],
    ['https://shop.example/?pass%77ord=hunter2', 5],
    ['a=b&pass%77ord=hunter2', 5],
    ['100 %70assword%3Dhunter2', 5],
    ['id,password\n1,hunter2\n', 5],
    [' {"password":"hunter2"}', 5],
  ] as const) {
    const { text, found } = mask(deep(inner, levels));
    assert.doesNotMatch(text, /hunter2|eyJw/, inner);
    assert.deepEqual(found, ['unreadable a'], inner);
  }
  const redirect = (n: number): string => (n === 0 ? `/x?password=hunter2` : `https://a.example/?u=${encodeURIComponent(redirect(n - 1))}`);
  for (let n = 1; n < 9; n++) {
    assert.doesNotMatch(textOf(JSON.stringify({ a: redirect(n) })), /hunter2/, `${n}`);
    assert.doesNotMatch(textOf(JSON.stringify({ a: coded('password=hunter2', n) })), /hunter2/, `${n}`);
  }
  for (const plain of ['two cups of tea', 'Welcome to the shop', '12.50', '50% off: now', 'eyes and ewes, 3 = 3', '[x]'])
    assert.equal(mask(deep(plain, 5)).isChanged, false, plain);
});
