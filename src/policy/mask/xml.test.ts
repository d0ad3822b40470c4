import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, rule, setRules } from '../../../test/support/masking.ts';
import './document.ts';
import { walked } from './kinds.ts';
import { maskHtml, maskXml } from './xml.ts';

setRules([
  rule({ name: 'card', detector: 'payment-card' }),
  rule({ name: 'email', detector: 'email', notFields: ['template'] }),
  rule({ name: 'text', detector: 'secret-in-text' }),
  rule({ name: 'password', fields: ['password'] }),
  rule({ name: 'payment', fields: ['payment'] }),
  rule({ name: 'iban', fields: ['iban'] }),
]);

const xml = (source: string, isCut = false): string => masked(source, maskXml, isCut).text;
const html = (source: string, isCut = false): string => masked(source, maskHtml, isCut).text;

test('elements and attributes are masked by their names and by what they hold', () => {
  const { text, found } = masked(
    '<?xml version="1.0"?>\n<s:Envelope xmlns:s="urn:a"><s:Body id="1"><a:Password Type="Text">hunter2</a:Password><m card="4111111111111111">to ann@example.com</m></s:Body></s:Envelope>\n',
    maskXml,
  );
  assert.equal(
    text,
    '<?xml version="1.0"?>\n<s:Envelope xmlns:s="urn:a"><s:Body id="1"><a:Password Type="Text">*password*</a:Password><m card="*card*">to *email*</m></s:Body></s:Envelope>\n',
  );
  assert.deepEqual(found, ['password Envelope.Body.Password', 'card Envelope.Body.m.card', 'email Envelope.Body.m']);
});

test('entities are undone', () => {
  assert.equal(xml('<a>ann&#64;example.com</a>'), '<a>*email*</a>');
  assert.equal(xml('<a>ann&#x40;example&period;com</a>'), '<a>*email*</a>');
  assert.equal(xml('<a>ann&#X40example.com</a>'), '<a>ann&#X40example.com</a>', 'that is U+40E');
  assert.equal(xml('<a>ann&#X40;example.com bob&#64example.com</a>'), '<a>*email*</a>');
  assert.equal(xml(`<a b='&#52;&#49;11111111111111'/>`), `<a b='*card*'/>`);
  assert.equal(xml('<a>&#00000052;11111111111111&#49;</a>'), '<a>*card*</a>');
  assert.equal(xml('<a>fish &amp; chips &unknown; &#xZ;</a>'), '<a>fish &amp; chips &unknown; &#xZ;</a>');
});

test('a rule masks everything below the element, other elements of its name included', () => {
  assert.equal(
    xml('<r><payment a="1" type="x"><n>1</n><payment>2</payment><!-- 3 --><![CDATA[4]]>5</payment>6</r>'),
    '<r><payment a="*payment*" type="x"><n>*payment*</n><payment>*payment*</payment><!--*payment*--><![CDATA[*payment*]]>*payment*</payment>6</r>',
  );
  assert.equal(xml('<r><password/>a<password></password>b</r>'), '<r><password/>a<password></password>b</r>');
});

test('an attribute may name the element', () => {
  assert.equal(
    xml('<p name="password" value="x"/><p value="x" name="password">y</p><q key="iban">z</q>'),
    '<p name="password" value="*password*"/><p value="*password*" name="password">*password*</p><q key="iban">*iban*</q>',
  );
  assert.equal(html('<input value=hunter2 type=text name=password><p>after'), '<input value=*password* type=text name=password><p>after');
  assert.equal(
    html('<textarea name="password">x</textarea><div id="password"><b>y</b></div>'),
    '<textarea name="password">*password*</textarea><div id="password"><b>y</b></div>',
  );
});

test('pairs of elements: the second stands under the name in the first', () => {
  assert.equal(
    xml('<dict><key>password</key><string>x</string><key>a</key><string>y</string></dict>'),
    '<dict><key>password</key><string>*password*</string><key>a</key><string>y</string></dict>',
  );
  assert.equal(
    xml('<member><name>password</name><value><string>x</string></value></member><b>y</b>'),
    '<member><name>password</name><value><string>*password*</string></value></member><b>y</b>',
  );
});

test('sections, comments, instructions and document types are looked at', () => {
  assert.equal(xml('<a><![CDATA[to ann@example.com]]></a>'), '<a><![CDATA[to *email*]]></a>');
  assert.equal(xml('<!-- ann@example.com --><a/>'), '<!-- *email* --><a/>');
  assert.equal(xml('<?x password="y"?><a/>'), '<?x password="*password*"?><a/>');
  assert.equal(xml('<!DOCTYPE a [<!ENTITY b "ann@example.com">]><a>&b;</a>'), '<!DOCTYPE a [*unreadable*]><a>&b;</a>');
});

test('texts behind inner elements stand under the name of their own', () => {
  assert.equal(
    xml('<template>a@example.com<b>c@example.com</b>d@example.com</template>'),
    '<template>a@example.com<b>*email*</b>d@example.com</template>',
  );
});

test('names that are themselves sensitive are masked', () => {
  assert.equal(xml('<a ann@example.com="1"><b4111111111111111 card4111111111111111="x"/></a>').includes('ann@example.com'), false);
});

test('what is no markup is text', () => {
  for (const clean of ['a < b', '<3', 'x<', '<a b', 'a <b and c> d', '<>', '</>', '<a =b "c">']) assert.equal(html(clean), clean);
  assert.equal(html('5 < 6 ann@example.com'), '5 < 6 *email*');
  assert.equal(xml('<a>1 < 2</a>'), '<a>1 < 2</a>');
});

test('scripts are text, or JSON', () => {
  assert.equal(
    html('<script>var a = "<b>"; password = "x"</script><b>y</b>'),
    '<script>var a = "<b>"; password = "*password*"</script><b>y</b>',
  );
  assert.equal(
    html('<script type="application/json">{"password":"x","a":["</b>"]}</script>'),
    '<script type="application/json">{"password":"*password*","a":["</b>"]}</script>',
  );
});

test('what does not end is masked in XML, and looked at as text in HTML', () => {
  assert.equal(xml('<a>x</a><b c="hunter2'), '<a>x</a><*unreadable*');
  assert.equal(xml('<a><!-- hunter2'), '<a><*unreadable*');
  assert.equal(xml('<a><![CDATA[hunter2'), '<a><*unreadable*');
  assert.equal(html('<p>x<a title="ann@example.com'), '<p>x<a title="*email*');
});

test('a document cut anywhere shows nothing of what is sensitive', () => {
  const source =
    '<!-- ann@example.com --><r a="bob@example.com"><password x="hunter3hunter3">hunter2hunter2<b>hunter4</b></password>' +
    '<c>4111 1111 1111 1111</c><d>car&#64;example.com</d><![CDATA[dan@example.com]]></r>';
  for (const walk of [xml, html])
    for (let n = 0; n < source.length; n++) assert.doesNotMatch(walk(source.slice(0, n), true), /hunter|ann@|bob@|dan@|car&|4111 1/);
});

test('depth and hostile documents: time stays linear', () => {
  const size = 200_000;
  const fill = (s: string): string => s.repeat(Math.ceil(size / s.length)).slice(0, size);
  for (const source of [
    fill('<a>'),
    fill('<a><b>') + fill('</c>'),
    fill('<a b="'),
    fill('<a b='),
    fill('<!--'),
    fill('<![CDATA['),
    fill('<!DOCTYPE ['),
    fill('<?'),
    fill('</a'),
    fill('<a b=c '),
    `${fill('&#')};`,
    fill('<a><!-- <a>'),
  ]) {
    walked[0] = 0;
    masked(source, maskXml);
    masked(source, maskHtml);
    assert.ok(walked[0] <= 48 * source.length, `${source.slice(0, 20)}: ${walked[0] / source.length} times`);
  }
  const n = 10_000;
  assert.equal(
    xml(`${'<a>'.repeat(n)}<password>x</password>${'</a>'.repeat(n)}`),
    `${'<a>'.repeat(n)}<password>*password*</password>${'</a>'.repeat(n)}`,
  );
});

test('an element with a value before the one with its name', () => {
  for (const [source, wanted] of [
    ['<p><value>x</value><name>password</name></p>', '<p><value>*password*</value><name>password</name></p>'],
    [
      '<l><p><value>x</value><key>size</key></p><p><a>1</a><Value t="1">x<i>y</i></Value><b/><key>password</key><c>z</c></p></l>',
      '<l><p><value>x</value><key>size</key></p><p><a>1</a><Value t="*password*">*password*<i>*password*</i></Value><b/><key>password</key><c>*password*</c></p></l>',
    ],
    ['<l><value>x</value><p><name>password</name></p></l>', '<l><value>x</value><p><name>password</name></p></l>'],
  ])
    assert.equal(xml(source), wanted);
  for (const n of [2, 20, 50])
    assert.doesNotMatch(xml(`${'<p><value>'.repeat(n)}hunter2${'</value><name>password</name></p>'.repeat(n)}`), /hunter2/, `${n}`);
});

test('pairs of elements: all names of lists of parameters, with other elements between', () => {
  const hidden = '*password*';
  for (const [source, wanted] of [
    [
      '<P><Name>/prod/db/password</Name><Type>SecureString</Type><Value>x</Value></P>',
      `<P><Name>/prod/db/password</Name><Type>SecureString</Type><Value>${hidden}</Value></P>`,
    ],
    ['<p><name><![CDATA[password]]></name><value>x</value></p>', `<p><name><![CDATA[password]]></name><value>${hidden}</value></p>`],
    ['<p><value>x</value><name><![CDATA[password]]></name></p>', `<p><value>${hidden}</value><name><![CDATA[password]]></name></p>`],
    ['<p><k>password</k><v>x</v></p>', `<p><k>password</k><v>${hidden}</v></p>`],
    ['<p><field>password</field><content>x</content></p>', `<p><field>password</field><content>${hidden}</content></p>`],
    ['<p><v>x</v><id>1</id><path>/password</path></p>', `<p><v>${hidden}</v><id>1</id><path>/password</path></p>`],
    ['<p><name>User Password</name><value>x</value></p>', `<p><name>User Password</name><value>${hidden}</value></p>`],
    ['<p><name>Password manager</name><value>3</value></p>', '<p><name>Password manager</name><value>3</value></p>'],
    [
      '<p><name>password</name><meta><name>size</name><value>1</value></meta><value>x</value></p>',
      `<p><name>password</name><meta><name>${hidden}</name><value>${hidden}</value></meta><value>${hidden}</value></p>`,
    ],
    [
      '<p><name>password</name><id>1</id><meta><name>size</name><value>1</value></meta><value>x</value></p>',
      `<p><name>password</name><id>1</id><meta><name>${hidden}</name><value>${hidden}</value></meta><value>${hidden}</value></p>`,
    ],
    [
      '<p><name>password</name><a>1</a><meta><name>size</name><value>1</value></meta><value>x</value><value>y</value></p>',
      `<p><name>password</name><a>${hidden}</a><meta><name>size</name><value>1</value></meta><value>${hidden}</value><value>${hidden}</value></p>`,
    ],
    ['<p><val>x</val><val>y</val><key>password</key></p>', `<p><val>${hidden}</val><val>${hidden}</val><key>password</key></p>`],
    [
      '<p><name>password</name><value>x</value><name>size</name><value>1</value></p><value>2</value>',
      `<p><name>password</name><value>${hidden}</value><name>size</name><value>1</value></p><value>2</value>`,
    ],
    ['<p><name>password</name><key>size</key><value>x</value></p>', `<p><name>password</name><key>size</key><value>${hidden}</value></p>`],
  ])
    assert.equal(xml(source), wanted);
});

test('attributes that name an element: those of parameters, and friendly names', () => {
  for (const [source, wanted] of [
    ['<e k="password" v="x"/>', '<e k="password" v="*password*"/>'],
    ['<add field="password" value="x"/>', '<add field="password" value="*password*"/>'],
    [
      '<Attribute Name="urn:oid:2" FriendlyName="iban"><AttributeValue>x</AttributeValue></Attribute>',
      '<Attribute Name="urn:oid:2" FriendlyName="iban"><AttributeValue>*iban*</AttributeValue></Attribute>',
    ],
  ])
    assert.equal(xml(source), wanted);
});

test('pairs of elements, cut: a value whose name has not come is masked', () => {
  for (const [cut, wanted] of [
    ['<p><value>hunter2</value><', '<p><*unreadable*'],
    ['<p><value>hunter2</value><name>pass', '<p><*unreadable*'],
    ['<p><value><string>hunter2</string><', '<p><*unreadable*'],
    ['<value>hunter2</value><na', '<*unreadable*'],
    ['<p><value>17</value><name>size</name><b', '<p><value>17</value><name>size</name><*unreadable*'],
    ['<p><name>size</name><value>17</value><b', '<p><name>size</name><value>17</value><*unreadable*'],
  ])
    assert.equal(xml(cut, true), wanted);
  assert.match(xml(`<feed><content>${'<a>tea</a>'.repeat(200)}<`, true), /<a>tea/);
  const source = '<l><p><value>hunter2</value><t>1</t><name><![CDATA[password]]></name></p></l>';
  for (let n = 0; n < source.length; n++) assert.doesNotMatch(xml(source.slice(0, n), true), /hunt/, `${n}`);
});
