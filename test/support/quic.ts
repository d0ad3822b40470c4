/**
 * Initial packets of QUIC as a client makes them (RFC 9000, 17.2.2; RFC 9001, 5), written apart from the reader in src/.
 */
import { createCipheriv, createHmac } from 'node:crypto';

const versions = {
  1: { number: 0x00000001, salt: '38762cf7f55934b34d179ae6a4c80cadccbb7f0a', label: 'quic', type: 0xc0 },
  2: { number: 0x6b3343cf, salt: '0dede3def700a6db819381be6e269dcbf9bd2ed9', label: 'quicv2', type: 0xd0 },
  'draft-29': { number: 0xff00001d, salt: 'afbfec289993d24c9e9786f19c6111e04390a899', label: 'quic', type: 0xc0 },
} as const;

export interface InitialOptions {
  readonly version?: keyof typeof versions;
  readonly destinationId?: Buffer;
  readonly sourceId?: Buffer;
  readonly token?: Buffer;
  readonly number?: number;
  /** Bytes of the packet number, 1 to 4. */
  readonly numberBytes?: number;
  /** Padded with PADDING frames to that many bytes in all. */
  readonly bytes?: number;
}

/** "client in" and so on of a secret (RFC 8446, 7.1), at most 32 bytes. */
function derive(secret: Buffer, label: string, length: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.concat([Buffer.from([0, length, name.length]), Buffer.from(name), Buffer.from([0, 1])]);
  return createHmac('sha256', secret).update(info).digest().subarray(0, length);
}

function two(value: number): Buffer {
  return Buffer.from([0x40 | (value >> 8), value & 255]);
}

/** A CRYPTO frame. */
export function crypto(offset: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([6]), two(offset), two(data.length), data]);
}

/** One protected packet with these frames. */
export function initial(frames: Buffer, o: InitialOptions = {}): Buffer {
  const { version = 1, number = 0, numberBytes = 4, bytes = 1200 } = o;
  const destinationId = o.destinationId ?? Buffer.from('8394c8f03e515708', 'hex');
  const sourceId = o.sourceId ?? Buffer.alloc(0);
  const token = o.token ?? Buffer.alloc(0);
  const kind = versions[version];
  const before = Buffer.concat([
    Buffer.from([kind.type | (numberBytes - 1), 0, 0, 0, 0, destinationId.length]),
    destinationId,
    Buffer.from([sourceId.length]),
    sourceId,
    two(token.length),
    token,
  ]);
  before.writeUInt32BE(kind.number, 1);
  // A token length of one byte when there is none, as clients write it.
  const start = token.length === 0 ? Buffer.concat([before.subarray(0, -2), Buffer.from([0])]) : before;
  const headBytes = start.length + 2 + numberBytes;
  const plain = Buffer.concat([frames, Buffer.alloc(Math.max(0, bytes - headBytes - frames.length - 16))]);
  const packetNumber = Buffer.alloc(4);
  packetNumber.writeUInt32BE(number);
  const shortNumber = packetNumber.subarray(4 - numberBytes);
  const head = Buffer.concat([start, two(numberBytes + plain.length + 16), shortNumber]);
  const secret = derive(createHmac('sha256', Buffer.from(kind.salt, 'hex')).update(destinationId).digest(), 'client in', 32);
  const nonce = derive(secret, `${kind.label} iv`, 12);
  for (let i = 0; i < 4; i++) nonce[8 + i] ^= packetNumber[i];
  const cipher = createCipheriv('aes-128-gcm', derive(secret, `${kind.label} key`, 16), nonce);
  cipher.setAAD(head);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const packet = Buffer.concat([head, sealed]);
  const numberAt = head.length - numberBytes;
  const mask = createCipheriv('aes-128-ecb', derive(secret, `${kind.label} hp`, 16), null).update(
    packet.subarray(numberAt + 4, numberAt + 20),
  );
  packet[0] ^= mask[0] & 0x0f;
  for (let i = 0; i < numberBytes; i++) packet[numberAt + i] ^= mask[1 + i];
  return packet;
}
