/** One HTTP request to a service of AWS that hands out credentials. */
import { type RequestOptions, request } from 'node:http';
import { request as secureRequest } from 'node:https';

const ANSWER_BYTES_MAX = 64 << 10;

export interface AwsAnswer {
  readonly status: number;
  readonly text: string;
}

export interface AwsRequest extends Pick<RequestOptions, 'method' | 'headers' | 'signal'> {
  readonly body?: string;
  /** Trusted in place of the authorities that Node knows. */
  readonly ca?: string;
}

/** Rejects when nothing of use comes back: no connection, no answer, one that is too long. */
export function askAws(url: string, { body = '', ...options }: AwsRequest): Promise<AwsAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? secureRequest : request;
    const asked = send(url, { ...options, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('error', reject);
      answer.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) asked.destroy(new Error('too long'));
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
