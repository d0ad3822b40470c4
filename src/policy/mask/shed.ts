/**
 * Calls whose headers are left out because the worker is overloaded. The record still has what it takes from a few of them,
 * so these are masked, and the others are not looked at.
 *
 *   Host -> host     X-Forwarded-For -> clientIp     Content-Type, Content-Encoding -> body
 */
import { bytes } from '../../base/arena.ts';
import * as t from '../../http/transaction.ts';
import { cutPlaces, notesOf, PLACE_ROW } from './edits.ts';
import { HEADER, HOST, OF_RESPONSE } from './place.ts';

const B = bytes;
const K = t.calls;
const HOST_BYTES = 4;

/** Numbers of the fields that the record of a call (words from `k` on) takes something from, ascending; -1: none. */
export const keptFields: Int32Array = new Int32Array(4);

export function findKeptFields(k: number, side: number): void {
  const s = k + side;
  const isRequest = side === t.REQUEST;
  keptFields[0] = K[s + t.S_TYPE] - 1;
  keptFields[1] = K[s + t.S_CODING] - 1;
  keptFields[2] = isRequest ? K[s + t.S_HOST] - 1 : -1;
  keptFields[3] = isRequest ? K[k + t.C_FORWARDED_FOR] - 1 : -1;
  keptFields.sort();
}

/** Of the places from `first` on, those in fields go, but for the host's: it stands in the record, under its own name. */
export function shedPlaces(first: number): void {
  const { rows, count, found } = notesOf();
  let n = first;
  for (let i = first; i < count; i++) {
    const r = PLACE_ROW * i;
    if ((rows[r + 1] & ~OF_RESPONSE) === HEADER) {
      if (!isHost(rows[r + 2], rows[r + 3])) continue;
      rows[r + 1] = HOST;
      rows[r + 3] = rows[r + 2];
    }
    rows.copyWithin(PLACE_ROW * n++, r, r + PLACE_ROW);
  }
  cutPlaces(n, found);
}

function isHost(at: number, end: number): boolean {
  return end - at === HOST_BYTES && B.toString('latin1', at, end).toLowerCase() === 'host';
}
