import { describe, expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { judgeService } from '../../../src/operations/judge-service.ts';
import { mayAsk } from '../../../src/postgres/service-rights.ts';
import { PG_CTL, type Service } from '../../../src/postgres/service.ts';
import type { NodeWorld } from '../../../src/steps/world.ts';
import type { Host } from '../../../src/host/host.ts';
import { givenMachine } from '../../support/given.ts';

const PAIR = { version: '17', name: 'main', start: 'auto' };
const UNIT: Service = { manager: 'systemd', unit: 'postgresql@17-main.service', restarts: false, sudo: true, pair: PAIR };

/** A node of the fake world whose machine says this about its service, and whose user may do this. */
function nodeWith(service: () => Promise<Service>, more: { readonly via?: string; readonly mayAskService?: NodeWorld['mayAskService'] } = {}): NodeWorld {
  const { place, ...node } = givenMachine('node1').world().node('node1');
  return { ...node, place: { ...place, via: more.via ?? place.via }, service, ...(more.mayAskService === undefined ? {} : { mayAskService: more.mayAskService }) };
}

/** Whoever logs in there: what sudo answers to the question, with the lines that come before. */
function loginWith(code: number, said: string): Host {
  return { run: async () => await Promise.resolve({ code, signal: null, stdout: said, stderr: '' }) } as unknown as Host;
}

describe('what keeps a server from being stopped or started, found before anything is touched', () => {
  test.each([['auto', []], ['manual', []], ['disabled', ['start-disabled']]])('start.conf of Debian that says %s (hazard M04)', async (start, codes) => {
    const pair = { ...PAIR, start };
    for (const service of [{ manager: 'debian', pair }, { ...UNIT, pair }] as const) {
      const node = nodeWith(async () => await Promise.resolve(service));
      expect((await judgeService(node, ['stop', 'start'])).map((reason) => reason.code)).toEqual(codes);
      expect(await judgeService(node, ['stop'])).toEqual([]);
    }
  });

  test('process 1 of a container, with what to do about its restart policy (hazards M08, I15)', async () => {
    const gone = new PgreplError('refused', 'process-one', 'the server is process 1 of its container');
    const node = nodeWith(async () => await Promise.reject(gone), { via: 'ssh://box/docker/shop' });
    const [reason] = await judgeService(node, ['stop', 'start']);
    expect(reason).toMatchObject({ code: 'process-one', node: 'node1', next: ['docker update --restart=no shop', 'docker stop shop', 'pgrepl promote --fenced "shop is stopped"'] });
    expect((await judgeService(node, ['stop']))[0]?.next).toEqual(['docker update --restart=no shop', 'docker stop shop']);
  });

  test('a service that the cluster file names wrongly is a reason among the others, and a failure of the machine is not', async () => {
    const contradicts = new PgreplError('refused', 'service-contradicts', 'service: pg_ctl in the cluster file, but …', { next: ['service: x.service'] });
    expect(await judgeService(nodeWith(async () => await Promise.reject(contradicts)), ['start'])).toMatchObject([{ code: 'service-contradicts', next: ['service: x.service'] }]);
    await expect(judgeService(nodeWith(async () => await Promise.reject(new PgreplError('unreachable', 'host-unreachable', 'no'))), ['start'])).rejects.toThrow('no');
  });

  test('an administrator who may not have systemd start it, with the line for sudoers', async () => {
    const login = loginWith(1, 'dba\n/usr/bin/systemctl\n');
    const node = nodeWith(async () => await Promise.resolve(UNIT), { mayAskService: async (verb, service = UNIT) => await mayAsk(login, service, verb) });
    const [reason, ...others] = await judgeService(node, ['stop', 'start']);
    expect(others).toEqual([]);
    expect(reason).toMatchObject({ code: 'service-no-permission', node: 'node1' });
    expect(reason?.message).toContain('"sudo -n systemctl start postgresql@17-main.service" may not be run by user dba');
    expect(reason?.hint).toContain('dba ALL=(root) NOPASSWD: /usr/bin/systemctl start postgresql@17-main.service');
  });
});

describe('the right to ask systemd', () => {
  test('nobody needs one for pg_ctl, and root has it', async () => {
    const login = loginWith(1, '');
    expect(await mayAsk(login, PG_CTL, 'start')).toBeNull();
    expect(await mayAsk(login, { ...UNIT, sudo: false }, 'start')).toBeNull();
  });

  test('who may start it needs no more to stop it, unless the unit would start it again', async () => {
    expect(await mayAsk(loginWith(0, 'dba\n/bin/systemctl\n'), UNIT, 'start')).toBeNull();
    expect(await mayAsk(loginWith(1, ''), UNIT, 'stop')).toBeNull();
    expect(await mayAsk(loginWith(1, 'dba\n/bin/systemctl\n'), { ...UNIT, restarts: true }, 'stop')).toEqual({
      user: 'dba',
      words: 'sudo -n systemctl stop --no-block postgresql@17-main.service',
      sudoers: 'dba ALL=(root) NOPASSWD: /bin/systemctl stop --no-block postgresql@17-main.service',
    });
  });
});
