import { describe, expect, test } from 'vitest';
import { parseService as parseWith } from '../../../src/postgres/find-service.ts';
import { configFileOf, PG_CTL, renderService, serviceStart, serviceStop, type Service } from '../../../src/postgres/service.ts';
import { findUnit } from '../../../src/postgres/unit.ts';

/** As `systemctl show` of Debian 13 printed it. */
const DEBIAN_UNIT = `Restart=no
ExecStart={ path=/usr/bin/pg_ctlcluster ; argv[]=/usr/bin/pg_ctlcluster --skip-systemctl-redirect 17-main start ; ignore_errors=yes ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=
Id=postgresql@17-main.service
LoadState=loaded
`;

/** The umbrella of the same package: it starts nothing itself. */
const UMBRELLA = `Restart=no
ExecStart={ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=
Id=postgresql.service
LoadState=loaded
`;

/** In the form of the PGDG packages for RHEL, written after their unit file. */
const rhelUnit = (major: number, pgdata: string, restart = 'no'): string => `Restart=${restart}
ExecStart={ path=/usr/pgsql-${major}/bin/postgres ; argv[]=/usr/pgsql-${major}/bin/postgres -D \${PGDATA} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=PGDATA=${pgdata} PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj PG_OOM_ADJUST_VALUE=0
Id=postgresql-${major}.service
LoadState=loaded
`;

const DATA = '/var/lib/postgresql/17/main';
const RHEL = '/var/lib/pgsql/17/data';

/** As root, with what the cluster file says. */
function parseService(text: string, directory: string, wanted: string | null = null): Service {
  return parseWith(text, directory, { wanted, sudo: false });
}

describe('who starts the server of a directory', () => {
  test('pg_ctl, where nobody else says so', () => {
    expect(parseService('', DATA)).toEqual(PG_CTL);
    expect(parseService(`systemd\n${UMBRELLA}`, DATA)).toEqual(PG_CTL);
    expect(serviceStart(PG_CTL)).toBeNull();
    expect(configFileOf(PG_CTL)).toBeNull();
  });

  test('nobody, where the server is process 1 of a container (hazard M08)', () => {
    expect(() => parseService('process-one\n', DATA)).toThrow(expect.objectContaining({ kind: 'refused', code: 'process-one' }));
  });

  test('pg_ctlcluster, for a pair of Debian where systemd does not run', () => {
    const service = parseService('debian 17 main manual\n', DATA);
    expect(service).toEqual({ manager: 'debian', pair: { version: '17', name: 'main', start: 'manual' } });
    expect(renderService(service)).toBe('pg_ctlcluster 17 main');
    expect(serviceStart(service)).toEqual(['pg_ctlcluster', '17', 'main', 'start', '--skip-systemctl-redirect']);
    expect(serviceStop(service)).toBeNull();
    expect(configFileOf(service)).toBe('/etc/postgresql/17/main/postgresql.conf');
    expect(parseService('debian 17 main \n', DATA)).toMatchObject({ pair: { start: 'auto' } });
  });

  test('the unit of such a pair, where systemd runs', () => {
    const service = parseService(`debian 17 main auto\nsystemd\n${DEBIAN_UNIT}`, DATA);
    expect(service).toEqual({ manager: 'systemd', unit: 'postgresql@17-main.service', restarts: false, sudo: false, pair: { version: '17', name: 'main', start: 'auto' } });
    expect(serviceStart(service)).toEqual(['systemctl', 'start', 'postgresql@17-main.service']);
    expect(serviceStop(service)).toBeNull();
    expect(configFileOf(service)).toBe('/etc/postgresql/17/main/postgresql.conf');
  });

  test('the unit that names the directory as PGDATA, of several majors', () => {
    const shown = `systemd\n${rhelUnit(15, '/var/lib/pgsql/15/data/')}\n${rhelUnit(17, '/var/lib/pgsql/17/data/')}`;
    expect(parseService(shown, '/var/lib/pgsql/17/data')).toEqual({ manager: 'systemd', unit: 'postgresql-17.service', restarts: false, sudo: false, pair: null });
    expect(parseService(shown, '/srv/pg/data')).toEqual(PG_CTL);
    expect(configFileOf(parseService(shown, '/var/lib/pgsql/17/data'))).toBeNull();
  });

  test('the unit that gives it to the server as -D, and the last PGDATA of a drop-in (hazard M05)', () => {
    const plain = 'Id=pg.service\nLoadState=loaded\nExecStart={ path=/usr/bin/postgres ; argv[]=/usr/bin/postgres -D /srv/pg/data ; pid=0 }\n';
    expect(findUnit(plain, { directory: '/srv/pg/data' })).toEqual({ id: 'pg.service', restarts: false, active: false, enabled: false, directories: ['/srv/pg/data'] });
    const moved = 'Id=pg.service\nLoadState=loaded\nEnvironment=PGDATA=/old "PGDATA=/srv/my data"\n';
    expect(findUnit(moved, { directory: '/srv/my data' })).not.toBeNull();
    expect(findUnit(moved, { directory: '/old' })).toBeNull();
    expect(findUnit('Id=pg.service\nLoadState=masked\nEnvironment=PGDATA=/old\n', { directory: '/old' })).toBeNull();
  });

  test.each([['no', false], ['on-failure', false], ['on-abnormal', false], ['always', true], ['on-success', true]])('Restart=%s starts again what was shut down: %s (hazards M06, I15)', (restart, restarts) => {
    const service = parseService(`systemd\n${rhelUnit(17, '/var/lib/pgsql/17/data/', restart)}`, '/var/lib/pgsql/17/data');
    expect(service).toMatchObject({ restarts });
    expect(serviceStop(service)).toEqual(restarts ? ['systemctl', 'stop', '--no-block', 'postgresql-17.service'] : null);
  });
});

describe('service: in the cluster file', () => {
  const unitOf = (more: string): string => `data\nsystemd\n${rhelUnit(17, RHEL)}${more}`;

  test.each([
    ['pg_ctl', 'data\n', '/srv/pg/data', PG_CTL],
    // A unit that neither runs nor starts at boot is nobody's back.
    ['pg_ctl', unitOf('ActiveState=inactive\nUnitFileState=disabled\n'), RHEL, PG_CTL],
    ['pg_ctlcluster', 'data\ndebian 17 main auto\n', DATA, { manager: 'debian', pair: { version: '17', name: 'main', start: 'auto' } }],
    ['pg_ctlcluster', '', DATA, PG_CTL],
    ['postgresql-17.service', unitOf(''), RHEL, { manager: 'systemd', unit: 'postgresql-17.service', restarts: false, sudo: false, pair: null }],
    ['shop.service', 'data\nsystemd\nId=shop.service\nLoadState=loaded\nRestart=always\n', '/srv/pg/data', { manager: 'systemd', unit: 'shop.service', restarts: true, sudo: false, pair: null }],
  ] as const)('%s is taken where it goes with what is found', (wanted, shown, directory, service) => {
    expect(parseService(shown, directory, wanted)).toEqual(service);
  });

  test.each([
    ['pg_ctl', unitOf('ActiveState=active\n'), RHEL, /systemd runs the server of .* as postgresql-17\.service/],
    ['pg_ctl', unitOf('ActiveState=inactive\nUnitFileState=enabled\n'), RHEL, /systemd runs the server of/],
    ['pg_ctl', 'data\ndebian 17 main auto\n', DATA, /is the cluster 17 main of this machine, run by pg_ctlcluster 17 main/],
    ['pg_ctlcluster', `data\ndebian 17 main auto\nsystemd\n${DEBIAN_UNIT}`, DATA, /systemd runs the server of .* as postgresql@17-main\.service/],
    ['pg_ctlcluster', 'data\n', '/srv/pg/data', /is no cluster of pg_lsclusters/],
    ['postgresql-17.service', 'data\n', RHEL, /systemd does not run that machine/],
    ['shop.service', `data\nsystemd\n${UMBRELLA}`, RHEL, /systemd has no such unit/],
    ['shop.service', `${unitOf('ActiveState=active\n')}\nId=shop.service\nLoadState=loaded\n`, RHEL, /systemd runs the server of .* as postgresql-17\.service/],
    // Hazard M05: the unit of another major, or one whose drop-in moved it.
    ['postgresql-17.service', unitOf(''), '/var/lib/pgsql/16/data', /that unit runs the server of \/var\/lib\/pgsql\/17\/data, not of \/var\/lib\/pgsql\/16\/data/],
  ] as const)('%s is refused where it would go behind the back of another (hazards I08, M05)', (wanted, shown, directory, message) => {
    expect(() => parseService(shown, directory, wanted)).toThrow(expect.objectContaining({ kind: 'refused', code: 'service-contradicts', message: expect.stringMatching(message) as string }));
  });

  test('systemd is asked through sudo by everybody but root, in words that a line of sudoers can allow', () => {
    const service = parseWith(`systemd\n${rhelUnit(17, RHEL, 'always')}`, RHEL, { wanted: null, sudo: true });
    expect(serviceStart(service)).toEqual(['sudo', '-n', 'systemctl', 'start', 'postgresql-17.service']);
    expect(serviceStop(service)).toEqual(['sudo', '-n', 'systemctl', 'stop', '--no-block', 'postgresql-17.service']);
  });
});
