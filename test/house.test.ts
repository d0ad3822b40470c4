/** The rules of the house hold for the files of the house: packages, lock file, layers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

interface Package {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly because: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { version?: string; resolved?: string; integrity?: string; os?: string[]; hasInstallScript?: boolean }>
  >;
}

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package;
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
const versions = { ...manifest.dependencies, ...manifest.devDependencies };

test('every dependency has its reason, and every reason its dependency', () => {
  assert.deepEqual(Object.keys(manifest.because).sort(), Object.keys(versions).sort());
  for (const [name, reason] of Object.entries(manifest.because)) assert.ok(reason.length >= 20, `${name}: ${reason}`);
});

test('versions are exact', () => {
  for (const [name, version] of Object.entries(versions)) assert.match(version, /^\d+[.]\d+[.]\d+$/, name);
});

test('the lock file pins content and names no host', () => {
  for (const [path, entry] of Object.entries(lock.packages)) {
    assert.equal(entry.resolved, undefined, path);
    if (path === '') continue;
    assert.match(entry.version ?? '', /^\d/, path);
    // Packages of other platforms may lack it (scripts/lock.mjs); what a Linux machine installs may not.
    if (entry.os === undefined) assert.match(entry.integrity ?? '', /^sha512-/, path);
  }
});

test('the lock file is one that npm ci accepts', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/lock.mjs', '--check'], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

/** Names of the rules that a tree of these files breaks. */
function brokenRules(files: Readonly<Record<string, string>>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-layers-'));
  try {
    for (const file of ['.dependency-cruiser.mjs', 'package.json']) cpSync(join(root, file), join(folder, file));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
    const { stdout } = spawnSync(process.execPath, [program, '--config', '.dependency-cruiser.mjs', '-T', 'json', 'src'], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string } }[] } };
    return [...new Set(summary.violations.map((violation) => violation.rule.name))].sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('the layers: what points towards the wire passes', () => {
  const files = {
    'src/base/bytes.ts': 'export const bytes = 1;\n',
    'src/decode/decode.ts': "import { bytes } from '../base/bytes.ts';\nexport const decode = bytes;\n",
    'src/http/parse.ts': "import { decode } from '../decode/decode.ts';\nexport const parse = decode;\n",
    'src/app/read.ts': "import { parse } from '../http/parse.ts';\nimport { z } from 'zod';\nexport const read = [parse, z];\n",
    'src/main.ts': "import { read } from './app/read.ts';\nconsole.log(read);\n",
  };
  assert.deepEqual(brokenRules(files), []);
});

test('the layers: what does not is caught, types and late imports too', () => {
  const files = {
    'src/base/bytes.ts': "import type { Segment } from '../decode/decode.ts';\nexport const bytes: Segment | undefined = undefined;\n",
    'src/capture/packet.ts': "export const late = async () => await import('../app/read.ts');\n",
    'src/decode/decode.ts': "import { readFileSync } from 'node:fs';\nexport interface Segment { a: typeof readFileSync }\n",
    'src/flow/flow.ts': "import { parse } from '../http/parse.ts';\nexport const flow = parse;\n",
    'src/http/parse.ts': "import { z } from 'zod';\nexport const parse = z;\n",
    'src/ship/a.ts': "import { b } from './b.ts';\nexport const a = () => b;\n",
    'src/ship/b.ts': "import { a } from './a.ts';\nexport const b = () => a;\n",
    'src/app/read.ts': "import { helper } from '../helpers/helper.ts';\nexport const read = helper;\n",
    'src/helpers/helper.ts': 'export const helper = 1;\n',
  };
  assert.deepEqual(brokenRules(files), [
    'base-is-the-floor',
    'capture-points-towards-the-wire',
    'flow-points-towards-the-wire',
    'hot-path-without-packages',
    'known-folder',
    'no-cycle',
    'no-input-or-output-behind-capture',
  ]);
});

test('only policy/, and who carries its batches on, says that records are masked', () => {
  const carriers = ['workers', 'ship-thread', 'sensor', 'routing', 'read', 'read-delivery']
    .map((name) => `src/app/${name}.ts`)
    .concat('src/ship/dead-letters.ts');
  const mayCall = (file: string): boolean => file.startsWith('src/policy/') || carriers.includes(file);
  const callers: string[] = [];
  for (const file of globSync('src/**/*.ts', { cwd: root }).filter((name) => !/[.](test|bench|fuzz)[.]ts$|-testing[.]ts$/.test(name))) {
    const text = readFileSync(join(root, file), 'utf8');
    // By another name, or by a cast, it would not be seen.
    assert.doesNotMatch(text, /maskedBatch\s+as\s/, file);
    if (file !== 'src/policy/masked-call.ts')
      assert.doesNotMatch(text, /(as|satisfies)\s+(unknown\s+as\s+)?MaskedBatch|<MaskedBatch>/, file);
    if (/\bmaskedBatch\b/.test(text)) callers.push(file);
  }
  assert.ok(callers.length > 1);
  assert.deepEqual(
    callers.filter((file) => !mayCall(file)),
    [],
  );
});

test('every proof that the page about delivery names is there', () => {
  const page = readFileSync(join(root, 'docs/delivery.md'), 'utf8');
  const named = [...page.matchAll(/`((?:src|test)\/\S+[.]test[.]ts)`(?:: ([^|<\n]+))?/g)];
  assert.ok(named.length > 20);
  for (const [, file, name] of named) {
    const text = readFileSync(join(root, file), 'utf8');
    if (name !== undefined) assert.ok(text.includes(name.trim()), `${file}: ${name}`);
  }
  // Each point of the contract has one.
  const points = page.split('\n').filter((line) => /^[|] \d [|]/.test(line));
  assert.equal(points.length, 8);
  for (const point of points) assert.match(point, /[.]test[.]ts`: /);
});

test('every metric that the page about delivery names is one', () => {
  const page = readFileSync(join(root, 'docs/delivery.md'), 'utf8');
  const metrics = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
  for (const [name] of page.matchAll(/earshot_\w+/g)) assert.ok(metrics.includes(`\`${name}\``), name);
});
