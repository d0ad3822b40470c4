/**
 * What would cross the network readable by anybody on the way: credentials that a sink or the metrics send without TLS.
 * It may be meant so, in a network of one's own; so it is a warning of `config check`, of a start and of the doctor.
 */
import { formatHostPort, isLoopback, parsePeerAddress } from '../base/listen-address.ts';
import type { Settings, SinkSettings } from '../base/settings.ts';

type HttpSettings = Extract<SinkSettings, { type: 'http' | 'uap-edge' }>;
type KafkaSettings = Extract<SinkSettings, { type: 'kafka' }>;

/** Header fields that usually carry a credential. */
const CREDENTIAL_FIELD = /authorization|cookie|token|secret|password|api-?key/i;

/** A sentence for each place: "sinks.bus: credentials and calls go unencrypted to b.example.com:9092". */
export function unencrypted({ sinks, metrics }: Pick<Settings, 'sinks' | 'metrics'>): string[] {
  const found = Object.entries(sinks).flatMap(([name, sink]) => unencryptedOf(name, sink));
  const collector = Object.keys(metrics.otlpHeaders).length === 0 ? null : openHttp(metrics.otlp);
  if (collector !== null) found.push(`metrics.otlpHeaders: secrets and metrics go unencrypted to ${collector}`);
  return found;
}

/** The same of one sink. */
export function unencryptedOf(name: string, sink: SinkSettings): string[] {
  switch (sink.type) {
    case 'http':
    case 'uap-edge':
      return ofHttp(name, sink);
    case 'kafka':
      return ofKafka(name, sink);
    default:
      return [];
  }
}

function ofHttp(name: string, { url, auth, headers }: HttpSettings): string[] {
  const hasCredentials = auth.type !== 'none' || Object.keys(headers).some((field) => CREDENTIAL_FIELD.test(field));
  const receiver = hasCredentials ? openHttp(url) : null;
  const tokens = auth.type === 'oauth2' ? openHttp(auth.tokenUrl) : null;
  return [
    ...(receiver === null ? [] : [`sinks.${name}: credentials and calls go unencrypted to ${receiver}`]),
    ...(tokens === null ? [] : [`sinks.${name}.auth.tokenUrl: the secret of the client and tokens go unencrypted to ${tokens}`]),
  ];
}

function ofKafka(name: string, { brokers, useTls, sasl }: KafkaSettings): string[] {
  const tokens = sasl.mechanism === 'oauthbearer' && sasl.auth.type === 'oauth2' ? openHttp(sasl.auth.tokenUrl) : null;
  const found =
    tokens === null ? [] : [`sinks.${name}.sasl.auth.tokenUrl: the secret of the client and tokens go unencrypted to ${tokens}`];
  if (useTls || (sasl.mechanism !== 'plain' && sasl.mechanism !== 'oauthbearer')) return found;
  const away = brokers.filter((broker) => !isLoopback(parsePeerAddress(broker)?.host ?? ''));
  if (away.length === 0) return found;
  const more = away.length === 1 ? '' : ` and ${away.length - 1} more`;
  return [`sinks.${name}: credentials and calls go unencrypted to ${away[0]}${more}`, ...found];
}

/** HOST:PORT of a URL without TLS that leads to another machine; null: it does not. */
function openHttp(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'http:') return null;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return isLoopback(host) ? null : formatHostPort({ host, port: Number(url.port || 80) });
}
