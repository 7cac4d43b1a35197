import { describe, expect, test } from 'vitest';
import { decideAddStandby } from '../../../src/operations/add-standby.ts';
import { STANDBY_CONF, valuesOf } from '../../../src/operations/config.ts';
import { decideInitPrimary } from '../../../src/operations/init-primary.ts';
import { decidePromote } from '../../../src/operations/promote.ts';
import type { AddStandby } from '../../../src/operations/wants.ts';
import { parseNodeName } from '../../../src/postgres/names.ts';
import { diskOf } from '../../support/fake-fleet.ts';
import { settingIn, type FakeFleet } from '../../support/fake-world.ts';
import { givenForeignPrimary, givenMachine, givenMachineWith } from '../../support/given.ts';
import { attempt, newDesk, specOf, type Desk, type Rehearsed } from '../../support/rehearsal.ts';

const OWN = 'cp /srv/wal/%f %p';

async function carryOut<W>(fleet: FakeFleet, desk: Desk, command: Rehearsed<W>): Promise<void> {
  const { result } = await attempt(command, fleet.world(), desk);
  if (result.error !== null) throw result.error;
  fleet.settle();
}

async function initPrimary(fleet: FakeFleet, desk = newDesk(), replaceEdits = false): Promise<Desk> {
  await carryOut(fleet, desk, { decide: decideInitPrimary, want: { node: specOf(fleet, 'node1'), restart: false, start: false, overReject: [], replaceEdits } });
  return desk;
}

function standbyFileOf(fleet: FakeFleet, node: string): string {
  return diskOf(fleet.state, 'here').text(`${fleet.node(node).place.pgdata}/${STANDBY_CONF}`) ?? '';
}

function restoreLine(fleet: FakeFleet, node: string): string | undefined {
  return valuesOf(standbyFileOf(fleet, node)).get('restore_command');
}

describe('restore_command in the standby file of a primary', () => {
  test('a new server has it blank from its first start', async () => {
    const fleet = givenMachine('node1');
    await initPrimary(fleet);
    expect(restoreLine(fleet, 'node1')).toBe('');
  });

  test('an adopted server without one gets it blank', async () => {
    const fleet = givenForeignPrimary();
    await initPrimary(fleet);
    expect(restoreLine(fleet, 'node1')).toBe('');
  });

  test('an adopted server keeps its own, and our file says nothing', async () => {
    const fleet = givenForeignPrimary({ settings: { restore_command: OWN } });
    await initPrimary(fleet);
    expect(restoreLine(fleet, 'node1')).toBeUndefined();
    expect(settingIn(fleet, 'node1', 'restore_command')).toBe(OWN);
  });

  test('an edited file that is rendered anew keeps the line, as the cluster file has it', async () => {
    const fleet = givenMachine('node1');
    const desk = await initPrimary(fleet);
    diskOf(fleet.state, 'here').write(`${fleet.node('node1').place.pgdata}/${STANDBY_CONF}`, standbyFileOf(fleet, 'node1').replace("restore_command = ''", "restore_command = 'false'"), { owner: 'postgres', mode: 0o600 });
    await initPrimary(fleet, desk, true);
    expect(restoreLine(fleet, 'node1')).toBe('');
  });

  test('another restore-command of a running standby waits for its restart in 13, and is said to; later it is in force at once', async () => {
    for (const [versionNumber, error, now] of [[130_023, 'restart-needed', ''], [150_018, null, OWN]] as const) {
      const fleet = givenMachineWith({ versionNumber }, 'node1', 'node2');
      const desk = await initPrimary(fleet);
      const add = (restoreCommand?: string): Rehearsed<AddStandby> => ({ decide: decideAddStandby, want: { node: specOf(fleet, 'node2', restoreCommand === undefined ? {} : { restoreCommand }), upstream: null, checkpoint: 'fast', compress: 'auto', maxRate: null, verify: true } });
      await carryOut(fleet, desk, add());
      const { change, result } = await attempt(add(OWN), fleet.world(), desk);
      expect([result.error, change.remains?.code ?? null, settingIn(fleet, 'node2', 'restore_command'), restoreLine(fleet, 'node2')]).toEqual([null, error, now, OWN]);
      fleet.stopServer('node2');
      fleet.startServer('node2');
      fleet.settle();
      expect((await attempt(add(OWN), fleet.world(), desk)).change.remains).toBeNull();
    }
  });

  test.each([[undefined, ''], [OWN, OWN]])('a standby with restore-command %s that was promoted has the same line as before', async (restoreCommand, line) => {
    const fleet = givenMachine('node1', 'node2');
    const desk = await initPrimary(fleet);
    await carryOut(fleet, desk, { decide: decideAddStandby, want: { node: specOf(fleet, 'node2', { restoreCommand }), upstream: null, checkpoint: 'fast', compress: 'auto', maxRate: null, verify: true } });
    expect(restoreLine(fleet, 'node2')).toBe(line);
    await carryOut(fleet, desk, { decide: decidePromote, want: { name: parseNodeName('node2'), mode: 'planned', fenced: null, acceptLoss: null, budgetMs: 30_000 } });
    expect(restoreLine(fleet, 'node2')).toBe(line);
    expect(valuesOf(standbyFileOf(fleet, 'node2')).has('primary_conninfo')).toBe(false);
  });
});
