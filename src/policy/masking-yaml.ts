/** The shipped masking rules as a commented masking file, to be read and to be copied from: config/masking.yaml. */
import { defaultMasking, maskingRule, shippedRules } from './default-masking.ts';

const COLUMNS = 118;
const empty = maskingRule({});

const HEAD = `# The masking rules that Earshot ships, as a masking file. What is masked, and how, is said in docs/masking.md.
#
# A file of your own need not repeat them: it begins with \`extends: default\`, which is also what holds when it says
# nothing, and has only what differs. This one says everything, so it extends nothing.
extends: none

# Bodies that are neither text nor of a known structure: remove or pass.
binaryBodies: ${defaultMasking.binaryBodies}

# Texts of gRPC and Protocol Buffers whose field no descriptor names: remove, or inspect them like free text.
unnamedTexts: remove

# Tried in this order: the first that fits decides. What a rule leaves out: it is enabled, for all places, its action is
# replace, and replace writes its name between asterisks.
rules:
`;

/** With the rules that are switched off. */
export function defaultMaskingYaml(): string {
  let text = HEAD;
  for (const { rule, enabled, meaning } of shippedRules) {
    text += `  # ${meaning}\n  - name: ${rule.name}\n`;
    if (!enabled) text += '    enabled: false\n';
    for (const [name, value] of Object.entries(rule)) {
      if (name === 'name' || JSON.stringify(value) === JSON.stringify(empty[name as keyof typeof empty])) continue;
      text += `    ${name}: ${Array.isArray(value) ? listOf(value) : scalarOf(String(value))}\n`;
    }
    text += '\n';
  }
  return `${text.trimEnd()}\n`;
}

/** What YAML would take for something else stands in quotes. */
function scalarOf(text: string): string {
  return /^[a-z][a-z0-9-]*$/i.test(text) ? text : `'${text}'`;
}

function listOf(values: readonly string[]): string {
  const items = values.map(scalarOf);
  const line = `[${items.join(', ')}]`;
  if (line.length < COLUMNS - 20) return line;
  const lines = [''];
  for (const item of items) {
    if (lines[lines.length - 1].length + item.length + 2 > COLUMNS - 6) lines.push('');
    lines[lines.length - 1] += `${lines[lines.length - 1] === '' ? '' : ' '}${item},`;
  }
  return `[\n${lines.map((own) => `      ${own}`).join('\n')}\n      ]`;
}
