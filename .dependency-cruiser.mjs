// The order of the layers, once. `ls src` from top to bottom is the path of a packet; an import points only
// towards the wire or to base/. Type imports count too. Tests obey the order of the layer that they stand in.
const layers = ['capture', 'decode', 'flow', '(http|http2|websocket|grpc)', 'operation', 'normalise', 'policy', 'ship', 'survey', 'web'];
const hot = '^src/(capture|decode|flow|http|http2|websocket|grpc|operation)/';
const packages = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'];
const tests = '[.](test|bench|fuzz)[.]ts$';

const awayFromTheWire = layers.map((layer, i) => ({
  name: `${layer}-points-towards-the-wire`,
  comment: `${layer}/ may import base/ and ${layers.slice(0, i).join(', ') || 'nothing else'}.`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: {
    path: `^src/(main[.]ts$|app/${layers
      .slice(i + 1)
      .map((later) => `|${later}/`)
      .join('')})`,
  },
}));

export default {
  forbidden: [
    ...awayFromTheWire,
    {
      name: 'base-is-the-floor',
      comment: 'base/ imports nothing else of the project.',
      severity: 'error',
      from: { path: '^src/base/' },
      to: { path: '^src/', pathNot: '^src/base/' },
    },
    {
      name: 'main-only-starts-app',
      comment: 'main.ts knows app/ and base/.',
      severity: 'error',
      from: { path: '^src/main[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(app|base)/' },
    },
    {
      name: 'app-does-not-know-main',
      severity: 'error',
      from: { path: '^src/app/' },
      to: { path: '^src/main[.]ts$' },
    },
    {
      name: 'known-folder',
      comment: 'A new folder of src/ needs its place in the order above.',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: `^src/(main[.]ts$|(app|base|${layers.join('|')})/)` },
    },
    { name: 'no-cycle', comment: 'No file imports itself, over however many others.', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'hot-path-without-packages',
      comment: 'What runs for every packet is our own; koffi makes the system calls of capture/.',
      severity: 'error',
      from: { path: hot, pathNot: tests },
      to: { dependencyTypes: packages, pathNot: 'node_modules/koffi/' },
    },
    {
      name: 'base-without-packages',
      comment: 'base/ uses no package, but for the schemas, config.ts and yaml-file.ts, which declare and read files of settings.',
      severity: 'error',
      from: { path: '^src/base/', pathNot: `${tests}|^src/base/([a-z]+-schema|config|yaml-file)[.]ts$` },
      to: { dependencyTypes: packages },
    },
    {
      name: 'configuration-needs-zod-and-yaml-only',
      severity: 'error',
      from: { path: '^src/base/([a-z]+-schema|config|yaml-file)[.]ts$' },
      to: { dependencyTypes: packages, pathNot: 'node_modules/(zod|yaml)/' },
    },
    {
      name: 'policy-needs-zod-and-re2js-only',
      comment: 'policy/ checks files of rules with zod, and matches expressions of users with re2js.',
      severity: 'error',
      from: { path: '^src/policy/', pathNot: tests },
      to: { dependencyTypes: packages, pathNot: 'node_modules/(zod|re2js)/' },
    },
    {
      name: 'no-input-or-output-behind-capture',
      comment: 'decode, flow and http compute; zlib, crypto, buffer and the isIP of net are all that they take from Node.',
      severity: 'error',
      from: { path: '^src/(decode|flow|http|http2|websocket|grpc)/', pathNot: tests },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(zlib|crypto|buffer|net)$' },
    },
    {
      name: 'no-test-in-the-product',
      comment: 'The product imports no test, bench or script.',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { path: `^(test|bench|scripts)/|${tests}` },
    },
    {
      name: 'no-development-package-in-the-product',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'] },
    },
    { name: 'resolves', comment: 'Every import leads somewhere.', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.js', '.json'],
      conditionNames: ['import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
