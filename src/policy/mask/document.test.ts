import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beside, masked, rule, setRules } from '../../../test/support/masking.ts';
import { maskDocument } from './document.ts';

const rules = [
  rule({ name: 'card', detector: 'payment-card' }),
  rule({ name: 'email', detector: 'email' }),
  rule({ name: 'text', detector: 'secret-in-text' }),
  rule({ name: 'password', fields: ['password'] }),
];
setRules(rules);

const mask = (type: string, source: string | Uint8Array, isCut = false): ReturnType<typeof masked> =>
  masked(source, (at, end, cut) => maskDocument(at, end, cut, ...beside(type)), isCut);
const textOf = (type: string, source: string | Uint8Array, isCut = false): string => mask(type, source, isCut).text;

test('the media type chooses the walker', () => {
  for (const type of [
    'application/json',
    'Application/Problem+JSON; charset=utf-8',
    'application/x-ndjson',
    'application/json-seq',
    'text/json',
    'application/vnd.api+json',
  ])
    assert.equal(textOf(type, '{"password":"a"}\n{"b":x'), '{"password":"*password*"}\n{"b":"*unreadable*"', type);
  for (const type of ['text/xml', 'application/soap+xml; action="x"', 'image/svg+xml'])
    assert.equal(textOf(type, '<password>x</password><b c="'), '<password>*password*</password><*unreadable*', type);
  assert.equal(textOf('application/x-www-form-urlencoded', 'password=x+y&a'), 'password=*password*&a');
  assert.equal(textOf('application/graphql', '{ a(password: "x") }'), '{ a(password: "*password*") }');
  assert.equal(textOf('text/javascript', 'const password = "x"; // ann@example.com'), 'const password = "*password*"; // *email*');
  assert.equal(textOf('text/plain', 'Dear Ann, ann@example.com'), 'Dear Ann, *email*');
});

test('bytes are believed more than the label', () => {
  for (const type of [
    '',
    'text/plain',
    'application/octet-stream',
    'x/y',
    'nonsense',
    'application/x-www-form-urlencoded',
    'text/html',
    'application/xml',
    'application/graphql',
  ])
    assert.equal(textOf(type, ' {"password":"x"}'), ' {"password":"*password*"}', type);
  for (const type of ['', 'text/plain', 'application/json', 'application/octet-stream'])
    assert.equal(textOf(type, '<password>x</password>'), '<password>*password*</password>', type);
  for (const type of ['', 'text/plain', 'application/json'])
    assert.equal(textOf(type, 'a=1&password=x%20y'), 'a=1&password=*password*', type);
  assert.equal(
    textOf('', '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nx\r\n--b--'),
    '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n*password*\r\n--b--',
  );
});

test('a table without a label: its columns have names', () => {
  const hidden = '*password*';
  for (const type of ['', 'text/plain', 'application/octet-stream', 'x/y'])
    for (const [source, wanted] of [
      ['id,password,town\r\n1,x y,Ulm\r\n2,"a,\nb",Bonn\r\n', `id,password,town\r\n1,${hidden},Ulm\r\n2,"${hidden}",Bonn\r\n`],
      ['id;User Password\n1;hunter2\n', `id;User Password\n1;${hidden}\n`],
      ['id\tpassword\n1\thunter2', `id\tpassword\n1\t${hidden}`],
      ['\ufeff"id"|"password"\n"1"|"hunter2"\n', `\ufeff"id"|"password"\n"1"|"${hidden}"\n`],
    ] as const)
      assert.equal(textOf(type, source), wanted, `${type} ${source}`);
  assert.equal(textOf('', 'id,password,town\n1,hunt', true), 'id,password,town\n1,*unreadable*');
  for (const text of [
    'Hello, password\nshown, to, nobody\n',
    'user, password\n',
    'Enter your name, password and birthday, please.\nThen, press it, and wait.\n',
    'id,town\n1,Ulm\n',
    'password\nis\nno column\n',
    'const a, password;\nlet b, c;\n',
  ])
    assert.equal(mask('text/plain', text).isChanged, false, text);
});

test('labelled JSON that is none is closed, a text that begins like JSON is a text', () => {
  assert.equal(textOf('application/json', 'hunter2'), '"*unreadable*"');
  assert.equal(textOf('text/plain', '[INFO] mail to ann@example.com'), '[INFO] mail to *email*');
  assert.equal(textOf('text/plain', '{"password": hunter2}'), '{"password": "*unreadable*"');
});

test('binary bodies go, or pass', () => {
  const png = Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR ann@example.com', 'latin1');
  for (const type of ['image/png', '', 'text/plain', 'application/x-www-form-urlencoded', 'application/protobuf']) {
    const { bytes, found } = mask(type, png);
    assert.equal(bytes.length, 0, type);
    assert.deepEqual(found, ['binary']);
  }
  assert.equal(textOf('application/json', '\0\0hunter2'), '"*unreadable*"');
  setRules(rules, 'pass');
  assert.deepEqual(mask('image/png', png).bytes, png);
  const message = (text: string): Buffer => Buffer.from(`\0\0\0\0\x11\x0a\x0f${text}\x10\x01`, 'latin1');
  assert.deepEqual(mask('application/grpc', message('hello there all')).bytes, message('hello there all'));
  assert.equal(mask('application/grpc', message('ann@example.com')).bytes.length, 0);
  const coded = (text: string): string => message(text).toString('base64');
  assert.equal(textOf('application/grpc-web-text', coded('hello there all')), coded('hello there all'));
  assert.equal(textOf('application/grpc-web-text+proto', coded('ann@example.com')), '*email*');
  assert.equal(textOf('application/grpc-web-text', '!!!'), '*unreadable*');
  setRules(rules);
  assert.equal(textOf('application/grpc-web-text', coded('hello there all')), '');
});

test('text in other codes than UTF-8 is text', () => {
  const latin1 = Buffer.from('Gr\xfc\xdfe an ann@example.com, sch\xf6nen Tag', 'latin1');
  assert.equal(mask('text/plain', latin1).bytes.toString('latin1'), 'Gr\xfc\xdfe an *email*, sch\xf6nen Tag');
  assert.equal(mask('application/json', Buffer.from('\xff\xfe{\0"\0a\0"\0', 'latin1')).text, '"*unreadable*"');
});

test('tables: fields stand under the names of their columns', () => {
  assert.equal(
    textOf('text/csv; header=present', 'id,Password,"note"\r\n1,x,"say ""hi"", ann@example.com"\r\n2,"a,\nb",\r\n3,y,z,ann@example.com'),
    'id,Password,"note"\r\n1,*password*,"say ""hi"", *email*"\r\n2,"*password*",\r\n3,*password*,z,*email*',
  );
  assert.equal(textOf('text/csv', 'a;password\n1;x\n'), 'a;password\n1;*password*\n');
  assert.equal(textOf('text/tab-separated-values', 'a\tpassword\n1\tx y'), 'a\tpassword\n1\t*password*');
  assert.equal(textOf('text/csv', 'ann@example.com,b\n1,2'), '*email*,b\n1,2');
  assert.equal(textOf('text/csv', 'a,b\n1,"hunter', true), 'a,b\n1,"*unreadable*');
});

test('events: each data line is a document, several are one', () => {
  assert.equal(
    textOf(
      'text/event-stream',
      ': by ann@example.com\nevent: a\ndata: {"password":"x","b":1}\n\ndata:{"password":\r\ndata: "x"}\r\n\r\ndata: hello\ndata: you\n',
    ),
    ': by *email*\nevent: a\ndata: {"password":"*password*","b":1}\n\ndata:*password*\r\ndata: *password*\r\n\r\ndata: hello\ndata: you\n',
  );
});

test('events that are not said to be any: when all lines look so', () => {
  const source = ': a\nevent: b\ndata: {"\\u0070assword":"hunter2"}\n\n';
  for (const type of ['', 'text/plain']) {
    assert.equal(textOf(type, source), ': a\nevent: b\ndata: {"\\u0070assword":"*password*"}\n\n');
    // A field of YAML goes on over lines.
    assert.equal(textOf(type, 'data:\n  password:\n    - hunter2\n'), 'data:\n  password:\n    *password*\n');
  }
});

test('messages in base64 that are not said to be any are a binary body', () => {
  const coded = Buffer.from('\0\0\0\0\x09\x0a\x07hunter2').toString('base64');
  assert.equal(textOf('', coded), '');
  assert.equal(textOf('', coded.slice(0, 12), true), '');
  assert.equal(textOf('text/plain', coded), coded);
  for (const other of ['AAAAzzzzhunter2', 'AAAA', 'AAAAABYK hello', 'Anna']) assert.equal(textOf('', other), other);
});

test('a text cut anywhere shows no beginning of a number or a word', () => {
  const source = 'pay 4111 1111 1111 1111 to ann@example.com password=hunter2hunter2 ok';
  for (let n = 0; n < source.length; n++)
    assert.doesNotMatch(textOf('text/plain', source.slice(0, n), true), /4111 1|ann|hunter/, `cut at ${n}`);
  assert.equal(textOf('text/plain', 'all is wel', true), 'all is *unreadable*');
});

test('events and tables cut anywhere show nothing of what is sensitive', () => {
  const events = 'event: a\ndata: {"password":"hunter2hunter2"}\n\ndata: {"password":\ndata: "hunter3hunter3"}\n\n';
  for (let n = 0; n < events.length; n++)
    assert.doesNotMatch(textOf('text/event-stream', events.slice(0, n), true), /hunter/, `cut at ${n}`);
  const table = 'a,password\n1,hunter2hunter2\n2,"hunter3\nhunter3"\nann@example.com,1\n';
  for (let n = 0; n < table.length; n++) assert.doesNotMatch(textOf('text/csv', table.slice(0, n), true), /hunter|ann/, `cut at ${n}`);
});

test('no bytes, no edits', () => {
  for (const type of ['', 'application/json', 'text/html', 'multipart/form-data; boundary=x', 'image/png', 'application/grpc-web-text'])
    for (const source of ['', ' ', '\ufeff']) assert.equal(mask(type, source).text, source, JSON.stringify([type, source]));
});

test('tables: as spreadsheets and others write them', () => {
  const hidden = '*password*';
  for (const [source, wanted] of [
    ['sep=;\nid;password\n1;x,y\n', `sep=;\nid;password\n1;${hidden}\n`],
    ['\ufeffsep=,\r\nid;a,password\r\n1,x\r\n', `\ufeffsep=,\r\nid;a,password\r\n1,${hidden}\r\n`],
    ['\r\n\nid,password\r\n1,x\r\n', `\r\n\nid,password\r\n1,${hidden}\r\n`],
    ['# export, of May\nid,password\n1,x\n', `# export, of May\nid,password\n1,${hidden}\n`],
    ['#id,password\n1,x\n2,y\n', `#id,password\n1,${hidden}\n2,${hidden}\n`],
    ['# to ann@example.com\nid,password\n1,x\n', `# to *email*\nid,password\n1,${hidden}\n`],
    ['id,password\r1,x\r2,"a\rb"\r', `id,password\r1,${hidden}\r2,"${hidden}"\r`],
    ['id, password, c\n1, "ab,x", 3\n2, y , 4', `id, password, c\n1, "${hidden}", 3\n2,${hidden}, 4`],
    ['id,c,password\n1, "ab,x", y,z\n', `id,c,password\n1, "${hidden}",${hidden},z\n`],
    ['id,password,c\n1,"ab\\",x",3\n2,y,4\n', `id,password,c\n1,"${hidden}",${hidden}\n2,${hidden},4\n`],
    ['password,path\n1,"C:\\dir\\"\n2,"C:\\x"\n3,4\n', `password,path\n${hidden},"${hidden}\n${hidden},4\n`],
    ['id,password,c\n1,ab\\,x,3\n', `id,password,c\n1,${hidden},${hidden},${hidden}\n`],
    ['id,password\n1,"x', `id,password\n1,"*unreadable*`],
    ['id,note,password\n1,"x,y\n2,z,u\n', 'id,note,password\n1,"*unreadable*'],
    ['id,password\n1, "x\n', `id,password\n1,${hidden}\n`],
  ])
    assert.equal(textOf('text/csv', source), wanted, source);
  assert.equal(textOf('text/csv', 'id,a\\b,c\n1,"x\\",y\n'), 'id,a\\b,c\n1,"*unreadable*');
});

test('a table without a label: what other columns are called, and how rows end, does not matter', () => {
  const hidden = '*password*';
  for (const [source, wanted] of [
    ['id,password,amount ($)\n1,x,3\n', `id,password,amount ($)\n1,${hidden},3\n`],
    ['id,password\n1,x,\n2,y,\n', `id,password\n1,${hidden},\n2,${hidden},\n`],
    ['No.,password,note\n1,x\n2,y,a,b\n', `No.,password,note\n1,${hidden}\n2,${hidden},a,b\n`],
    ['id, password\n1, x,\n', `id, password\n1,${hidden},\n`],
    ['id,password\r1,x\r', `id,password\r1,${hidden}\r`],
    ['sep=;\n\nid;password\n1;x\n', `sep=;\n\nid;password\n1;${hidden}\n`],
    ['# export\nid,password\n1,x\n', `# export\nid,password\n1,${hidden}\n`],
    ['#id,password\n1,x\n', `#id,password\n1,${hidden}\n`],
    ['id,password\n1,x\n\n(1 row)\n', `id,password\n1,${hidden}\n\n(1 row)\n`],
  ])
    assert.equal(textOf('text/plain', source), wanted, source);
  for (const text of [
    'login(user, password, done)\nfoo(a, b, c)\n',
    'const a = b, password, c;\nlet d, e, f;\n',
    'Dear all,\nthe password, as you know,\nis gone.\n',
    'name,\npassword,\nmail\n',
  ])
    assert.equal(mask('text/plain', text).isChanged, false, text);
});

test('a table in a value, in a part, in a table', () => {
  const hidden = '*password*';
  assert.equal(textOf('application/json', '{"csv":"id,password\\n1,x\\n","b":"a, b\\nc"}'), `{"csv":"${hidden}","b":"a, b\\nc"}`);
  assert.equal(textOf('application/xml', '<a>id;password\n1;x\n</a>'), `<a>${hidden}\n</a>`);
  assert.equal(textOf('application/x-www-form-urlencoded', 'a=id%2Cpassword%0A1%2Cx&b=1'), `a=${hidden}&b=1`);
  const part = (body: string): string => `--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n${body}\r\n--b--`;
  assert.equal(
    textOf('multipart/form-data; boundary=b', part('id,password\r\n1,x\r\n2,y')),
    part(`id,password\r\n1,${hidden}\r\n2,${hidden}`),
  );
  assert.equal(
    textOf('text/csv', 'id,a,password\n1,"a,password\n1,x",y\n2,b,z\n'),
    `id,a,password\n1,"*unreadable*",${hidden}\n2,b,${hidden}\n`,
  );
});

test('a form behind a byte order mark', () => {
  for (const type of ['application/x-www-form-urlencoded', '', 'text/plain'])
    assert.equal(textOf(type, '\ufeffpassword=x&a=1'), '\ufeffpassword=*password*&a=1', type);
});
