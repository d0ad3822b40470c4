import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beside, masked, rule, setRules } from '../../../test/support/masking.ts';
import { defaultMasking } from '../default-masking.ts';
import { maskDocument } from './document.ts';
import { maskForm } from './form.ts';
import { setQuick } from './quick.ts';

const json = beside('application/json');
const graphql = beside('application/graphql');
const jsonOf = (source: string): string => masked(source, (at, end, isCut) => maskDocument(at, end, isCut, ...json)).text;

test('numbers of tokens stay, and nothing else under their names', () => {
  setRules(defaultMasking.rules);
  for (const isQuick of [true, false]) {
    setQuick(isQuick);
    for (const stays of [
      '{"model":"m","max_tokens":1024,"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens" : 17}}',
      '{"tokens":[101, 2023,\n 102],"count":3}',
      '{"tokens":{"input":3,"output":4}}'.replace(/"input"|"output"/g, '"max_tokens"'),
    ])
      assert.equal(jsonOf(stays), stays);
    for (const [source, wanted] of [
      ['{"tokens":["hunter2"],"a":1}', '{"tokens":["*token*"],"a":1}'],
      ['{"tokens":"hunter2"}', '{"tokens":"*token*"}'],
      ['{"tokens":{"pin":1234,"a":["b",5]}}', '{"tokens":{"pin":"*token*","a":["*token*","*token*"]}}'],
      ['{"tokens":{"pin":[1234]}}', '{"tokens":{"pin":["*token*"]}}'],
      ['{"tokens":[["a"],17]}', '{"tokens":[["*token*"],"*token*"]}'],
      ['{"secret":{"max_tokens":17}}', '{"secret":{"max_tokens":"*secret*"}}'],
      ['{"tokens":4111111111111111}', '{"tokens":"*payment-card*"}'],
      ['{"pins":[1234,5678]}', '{"pins":["*password*","*password*"]}'],
      ['{"access_token":17,"token":18}', '{"access_token":"*token*","token":"*token*"}'],
    ])
      assert.equal(jsonOf(source), wanted);
  }
  assert.equal(
    masked('{ a(max_tokens: 17, tokens: ["x"], in: {pin: 1234}) }', (at, end, isCut) => maskDocument(at, end, isCut, ...graphql)).text,
    '{ a(max_tokens: 17, tokens: ["*token*"], in: {pin: "*password*"}) }',
  );
});

test('a rule that names the plural itself masks numbers, too', () => {
  setRules([rule({ name: 'own', fields: ['tokens'] })]);
  assert.equal(jsonOf('{"tokens":17}'), '{"tokens":"*own*"}');
  setRules(defaultMasking.rules);
});

test('what is glued to a name is no part of it, in JSON and in forms', () => {
  setRules(defaultMasking.rules);
  for (const name of ['\ufeffpassword', 'password\u200b', 'password\u00a0', '“password”', '•password', '🔑password', 'pass\u00adword'])
    assert.equal(jsonOf(`{"${name}":"hunter2"}`), `{"${name}":"*password*"}`);
  for (const name of ['\ufeffpassword', '%EF%BB%BFpassword', 'password%C2%A0', 'user[passwords]'])
    assert.equal(masked(`${name}=hunter2&a=1`, maskForm).text, `${name}=*password*&a=1`);
});
