/**
 * Presets: kinds of calls that are known by more than one sign, and that most want to leave out. docs/filters.md says
 * the same in full. Each asks for the cheapest sign first.
 *
 * Every sign can be forged by a client that wants to hide. So each preset asks for what an attacker gains nothing by:
 * a static asset is no JSON, a probe has neither credentials nor a body.
 */
import { bytes } from '../../base/arena.ts';
import { REQUEST, RESPONSE } from '../../http/transaction.ts';
import { type CallView, fieldName } from '../call-view.ts';
import { bytesAre, bytesBegin, bytesEnd, TextSet, textBytes } from './byte-text.ts';

const B = bytes;
const DOT = 46;
const SLASH = 47;
const LETTER_C = 99;

/** Path extensions of static assets. */
export const assetExtensions: readonly string[] = [
  ...['css', 'js', 'mjs', 'cjs', 'map', 'wasm'],
  ...['png', 'jpg', 'jpeg', 'gif', 'svg', 'ico', 'cur', 'bmp', 'webp', 'avif', 'apng', 'tif', 'tiff'],
  ...['woff', 'woff2', 'ttf', 'otf', 'eot'],
  ...['mp4', 'm4v', 'webm', 'ogv', 'mov', 'mp3', 'm4a', 'ogg', 'oga', 'opus', 'wav', 'flac'],
];
const extensions = new TextSet(assetExtensions, true);
const EXTENSION_BYTES_MAX = 5;

/** Media types of static assets; what ends with a slash is the beginning of one. */
export const assetTypes: readonly string[] = [
  ...['image/', 'font/', 'audio/', 'video/', 'text/css', 'text/javascript'],
  ...['application/javascript', 'application/x-javascript', 'application/font-', 'application/x-font-', 'application/vnd.ms-fontobject'],
  'application/wasm',
];
const types = assetTypes.map(textBytes);

/** Paths at which nothing but the health of a server is asked for. */
export const healthPaths: readonly string[] = [
  ...['/healthz', '/livez', '/readyz', '/startupz', '/health', '/healthcheck', '/health-check', '/health_check'],
  ...['/health/live', '/health/ready', '/health/liveness', '/health/readiness', '/health/startup', '/live', '/ready', '/alive', '/up'],
  ...['/liveness', '/readiness', '/ping', '/status', '/heartbeat', '/_health', '/_healthz', '/_status', '/_ping', '/-/healthy', '/-/ready'],
  ...['/actuator/health', '/actuator/health/liveness', '/actuator/health/readiness', '/q/health', '/q/health/live', '/q/health/ready'],
];
const wellKnown = new TextSet(
  healthPaths.flatMap((path) => [path, `${path}/`]),
  false,
);
/** A health answer without a known client may be so long. */
export const HEALTH_BODY_BYTES_MAX = 256;

/** How user agents of load balancers, orchestrators and uptime monitors begin; of browsers in disguise, a word of theirs does. */
export const probeAgents: readonly string[] = [
  ...['ELB-HealthChecker', 'Amazon-Route53-Health-Check-Service', 'Amazon Route 53 Health Check Service'],
  ...['GoogleHC', 'GoogleStackdriverMonitoring-UptimeChecks', 'kube-probe', 'Edge Health Probe', 'Load Balancer Agent', 'AlwaysOn'],
  ...['Azure Traffic Manager Endpoint Monitor', 'HealthCheck/', 'Cloudflare-Healthchecks', 'Cloudflare-Traffic-Manager'],
  ...['DigitalOcean Uptime Probe', 'Consul Health Check', 'Envoy/HC', 'HAProxy', 'check_http', 'Blackbox Exporter', 'Blackbox-Exporter'],
  ...['Pingdom', 'UptimeRobot', 'Uptime-Kuma', 'StatusCake', 'Better Uptime', 'Better Stack Better Uptime', 'Site24x7', 'Datadog'],
  ...['NewRelicPinger', 'NewRelicSynthetics', 'NodePing', 'updown.io', 'Zabbix', 'HetrixTools', 'Freshping', 'OhDear', 'Checkly'],
];
const agentsByLetter: Uint8Array[][] = Array.from({ length: 256 }, () => []);
for (const agent of probeAgents) agentsByLetter[agent.toLowerCase().charCodeAt(0)].push(textBytes(agent.toLowerCase()));

const M_GET = textBytes('GET');
const M_HEAD = textBytes('HEAD');
const M_OPTIONS = textBytes('OPTIONS');
const T_JSON = textBytes('json');
const E_MAP = textBytes('.map');
const V_COMPATIBLE = textBytes('compatible; ');
const V_MOZILLA = textBytes('mozilla/');
const V_WEBSOCKET = textBytes('websocket');
const F_USER_AGENT = fieldName('user-agent');
const F_AUTHORIZATION = fieldName('authorization');
const F_COOKIE = fieldName('cookie');
const F_UPGRADE = fieldName('upgrade');

function isGetOrHead(view: CallView): boolean {
  view.findMethod();
  return bytesAre(view.at, view.end, M_GET, false) || bytesAre(view.at, view.end, M_HEAD, false);
}

function isStaticAsset(view: CallView): boolean {
  if (!isGetOrHead(view)) return false;
  view.findContentType(RESPONSE);
  const isJson = bytesEnd(view.at, view.end, T_JSON, true);
  if (!isJson && isAssetType(view.at, view.end)) return true;
  view.findPath();
  if (!hasAssetExtension(view.at, view.end)) return false;
  // /account/me.css that answers JSON is an API in disguise. Source maps are JSON.
  return !isJson || bytesEnd(view.at, view.end, E_MAP, true);
}

function isAssetType(at: number, end: number): boolean {
  for (let i = 0; i < types.length; i++) if (bytesBegin(at, end, types[i], true)) return true;
  return false;
}

function hasAssetExtension(at: number, end: number): boolean {
  const least = end - EXTENSION_BYTES_MAX - 1;
  for (let p = end - 1; p > at && p >= least; p--) {
    if (B[p] === SLASH) return false;
    if (B[p] === DOT) return extensions.has(p + 1, end);
  }
  return false;
}

function isHealthCheck(view: CallView): boolean {
  if (!isGetOrHead(view) && !bytesAre(view.at, view.end, M_OPTIONS, false)) return false;
  view.findPath();
  const isKnownPath = wellKnown.has(view.at, view.end);
  if (view.findField(REQUEST, F_USER_AGENT) >= 0 && isProbe(view.at, view.end)) return isBare(view);
  if (!isKnownPath) return false;
  const status = view.status();
  if (status < 200 || status > 299 || view.bodyBytes(RESPONSE) > HEALTH_BODY_BYTES_MAX) return false;
  view.findQuery();
  return view.end === view.at && isBare(view);
}

/** Neither a body nor credentials: what signs in, or sends something, is more than a probe. */
function isBare(view: CallView): boolean {
  return view.bodyBytes(REQUEST) === 0 && view.findField(REQUEST, F_AUTHORIZATION) < 0 && view.findField(REQUEST, F_COOKIE) < 0;
}

/** By the beginning of the user agent; of one that calls itself Mozilla, by what stands behind "compatible; " or last. */
function isProbe(at: number, end: number): boolean {
  if (isAgentAt(at, end)) return true;
  if (!bytesBegin(at, end, V_MOZILLA, true)) return false;
  // Mozilla/5.0 (compatible; Name/1.0; ...
  for (let p = at + V_MOZILLA.length; p < end && p < at + 20; p++) {
    if (B[p] === LETTER_C && bytesBegin(p, end, V_COMPATIBLE, true)) return isAgentAt(p + V_COMPATIBLE.length, end);
  }
  let p = end;
  while (p > at && B[p - 1] !== 32 && B[p - 1] !== 40 && end - p < 64) p--;
  return isAgentAt(p, end);
}

function isAgentAt(at: number, end: number): boolean {
  if (at >= end) return false;
  const c = B[at];
  const agents = agentsByLetter[c >= 65 && c <= 90 ? c | 0x20 : c];
  for (let i = 0; i < agents.length; i++) if (bytesBegin(at, end, agents[i], true)) return true;
  return false;
}

/** The opening handshake (RFC 6455, 4.1), whatever the answer. */
function isWebsocket(view: CallView): boolean {
  if (view.findField(REQUEST, F_UPGRADE) < 0) return false;
  const { at, end } = view;
  for (let p = at; p + V_WEBSOCKET.length <= end; p++) {
    // One of a list: nothing, a comma or a blank stands before and behind it.
    if (!bytesBegin(p, end, V_WEBSOCKET, true)) continue;
    const behind = p + V_WEBSOCKET.length;
    if ((p === at || isBetween(B[p - 1])) && (behind === end || isBetween(B[behind]))) return true;
  }
  return false;
}

function isBetween(c: number): boolean {
  return c === 44 || c === 32 || c === 9;
}

const presets: Readonly<Record<string, (view: CallView) => boolean>> = {
  'static-assets': isStaticAsset,
  'health-checks': isHealthCheck,
  websocket: isWebsocket,
};

export const presetNames: readonly string[] = Object.keys(presets);

/** What decides whether a call is of that kind. */
export function presetOf(name: string): (view: CallView) => boolean {
  const preset = presets[name];
  if (preset === undefined) throw new Error(`no preset ${name}`);
  return preset;
}
