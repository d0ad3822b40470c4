/** `earshot config print-default`: a configuration that says every default, each with its meaning. */
import { type MemberSettings, memberSettings, type Setting, settingsTable } from '../base/settings-table.ts';

const COLUMNS = 118;

const HEAD = `# The configuration of Earshot: every setting with its default. Keep what differs; what is left out is the default.
# Check it with: earshot config check FILE
# For help in an editor with a YAML language server: earshot config schema > earshot.schema.json, and begin the file
# with this line, with one # only:
## yaml-language-server: $schema=earshot.schema.json
`;

/** Pipelines and sinks at work. */
export const exampleDelivery = `pipelines:
  everything:
    sinks: [bus]
  api:
    filtersSimpleFile: /etc/earshot/filters-api.yaml
    sampling: { share: 0.5, key: session }
    sinks: [edge]
sinks:
  edge:
    type: uap-edge
    url: https://edge.example.com/api-transactions
    auth:
      type: oauth2
      tokenUrl: https://auth.example.com/auth/realms/example/protocol/openid-connect/token
      clientId: earshot
      clientSecret: { file: /run/secrets/edge-client }
    tls: { caFile: /etc/earshot/company-ca.pem }
    proxy: http://proxy.example.com:3128
    batch: { recordsMax: 500, bytesMax: 1048576, ageMsMax: 1000 }
  bus:
    type: kafka
    brokers: [kafka-1.example.com:9093, kafka-2.example.com:9093]
    topic: api-calls
    sasl: { mechanism: scram-sha-512, user: earshot, password: { environment: KAFKA_PASSWORD } }
    key: client
    compression: lz4
`;

/** A configuration that says every default, each with its meaning. */
export function defaultConfiguration(): string {
  let text = HEAD;
  let sections: readonly string[] = [];
  for (const setting of settingsTable()) {
    const path = setting.name.split('.');
    const own = path.slice(0, -1);
    own.forEach((name, depth) => {
      if (own.slice(0, depth + 1).join('.') === sections.slice(0, depth + 1).join('.')) return;
      text += `\n${'  '.repeat(depth)}${name}:\n`;
    });
    if (own.length < sections.length || own.length === 0) text += '\n';
    sections = own;
    const indent = '  '.repeat(own.length);
    for (const line of commentOf(setting).flatMap((sentence) => wordsInLines(sentence, COLUMNS - indent.length - 2)))
      text += `${indent}# ${line}\n`;
    for (const members of memberSettings()) if (members.name === `${setting.name}.NAME`) text += membersComment(members);
    // The last of the two maps.
    if (setting.name === 'sinks') text += `#\n# Pipelines and sinks, for example:\n#\n${commented(exampleDelivery)}`;
    text += `${indent}${path.at(-1)}: ${JSON.stringify(setting.default)}\n`;
  }
  return text;
}

function commentOf({ meaning, default: value, allowed, examples, isLive, unit }: Setting): string[] {
  return [
    meaning,
    `Default: ${JSON.stringify(value)}. Allowed: ${allowed}${unitText(unit)}. A change ${isLive ? 'takes effect at once' : 'needs a restart'}.`,
    ...(examples.length === 0 ? [] : [`For example: ${examples.map((example) => JSON.stringify(example)).join(' or ')}`]),
  ];
}

function unitText(unit: string): string {
  return unit === '' || unit === 'count' ? '' : ` (${unit})`;
}

/** What stands under each name of a map, as comments. */
function membersComment({ name: map, type, settings }: MemberSettings): string {
  let text = type === '' ? '#\n# Each has:\n' : `#\n# With type: ${type}\n`;
  for (const { name, meaning, default: value, allowed, unit, isRequired, condition } of settings) {
    if (name === `${map}.type`) continue;
    const what = isRequired ? 'must be given' : `${JSON.stringify(value)} if not given`;
    const when = condition === '' ? '' : `With ${condition}. `;
    const sentence = `${name.slice(map.length + 1)}: ${what}. ${when}${meaning} Allowed: ${allowed}${unitText(unit)}.`;
    wordsInLines(sentence, COLUMNS - 8).forEach((line, i) => {
      text += `#   ${i === 0 ? '' : '  '}${line}\n`;
    });
  }
  return text;
}

function commented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '# ');
}

/** The words of a text in lines of at most `width` characters, but for a word that is longer alone. */
function wordsInLines(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
