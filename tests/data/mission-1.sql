-- A file of rover record as version 1 of the tables was.
PRAGMA application_id = 1380931154;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    parameter INTEGER NOT NULL,
    level INTEGER NOT NULL,
    first REAL NOT NULL, -- time of the first point, POSIX seconds
    last REAL NOT NULL,
    points INTEGER NOT NULL,
    open INTEGER NOT NULL, -- 1 if newer points may be added
    stored REAL NOT NULL, -- time of the last change, POSIX seconds
    times INTEGER, -- those of level 0, which parameters of the same samples share
    own_times BLOB, -- those of other levels
    parts TEXT, -- names of a vector's components
    late BLOB, -- NULL if no point was late
    data BLOB NOT NULL
);
INSERT INTO "chunk" VALUES(1,1,0,1789999985.0,1790000007.375,60,1,1.79589152550026702882e+09,3,NULL,'["lat", "lon"]',X'623C0000008000000000000000',X'1B00000066030100000000000000007801D3B8C1481C60C25406004226013C1B00000066030100000000000000007801BBA1F19F38F00F531900E4AC3AC6');
INSERT INTO "chunk" VALUES(2,2,0,1789999985.0,1790000007.375,60,1,1.79589152550026702882e+09,3,NULL,NULL,X'623C0000008000000000000000',X'2800000069000800000000000000007801D3B8C1481C60C254C6F09F817C30AA97E8B073A020AC00DA850875');
INSERT INTO "chunk" VALUES(3,3,0,1789999985.0,1790000007.375,60,1,1.79589152550026702882e+09,3,NULL,NULL,X'623C0000008000000000000000',X'390000006F78018B5652D201A194A2CCB254209DA810A354589A5F921AA3A4A39098971293979399079238BCA7246D54E9600881E11755B1002E46CFAE');
INSERT INTO "chunk" VALUES(4,4,0,1789999985.0,1790000007.375,60,1,1.79589152550026702882e+09,3,NULL,NULL,X'623C0000008000000000000000',X'0D000000623C000000D5555555552AAAA0');
INSERT INTO "chunk" VALUES(5,5,0,1789999985.0,1790000007.375,60,1,1.79589152550026702882e+09,3,NULL,NULL,X'623C0000008000000000000000',X'200000006F78018B36D431D431D233D5513254D229292A4D1D2C5C6AB929160048873792');
INSERT INTO "chunk" VALUES(6,6,0,1790000000.125,1790000007.375,48,1,1.79589152550026702882e+09,2,NULL,NULL,NULL,X'130100007278016DCEA14E034110C6F139EC219AA6069AA68845B37E93EE6531ACEE3B805A48103B41DDBD0066CEA0EB10D8B3BD2720ACED3AD22AC88A260D0915C76634F297CC7CF983C7768B2D159BE8B7E4B1F0B879C3028A96FCF2927DA371138B877BEFC1232825E64A08E83A35174A6577CF0A0084508F964DAFAAEB20460620DA055A0BCEE1C22266BB73CCF7D6E28ED86289CEE53D0648492B4994FFE58AA4CC8E5F32DF13C98960DB271963DE634008E210B8271C4408D9DD5DE09EF062D9741DB88701C6D8D2708F29AD31D9EECA708FF920B6B835DCC380943E4FD37E0FC763FA3E4929BBDCA5D108C6E3F43B619FFDA4E91466B3F47E915233D4BAAAF5BAD1EB41F7439D5DE9BAEA9BAAFFD77F6C5A9DFC');
CREATE TABLE epochs (
    stream INTEGER NOT NULL, first INTEGER NOT NULL, epoch TEXT NOT NULL,
    PRIMARY KEY (stream, first)
) WITHOUT ROWID;
INSERT INTO "epochs" VALUES(1,1,'47d6babc');
INSERT INTO "epochs" VALUES(2,1,'5c31a115');
CREATE TABLE files (
    path TEXT NOT NULL, -- relative to the data folder
    piece INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (path, piece)
);
CREATE TABLE holes (
    stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    since REAL NOT NULL, until REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (stream, first)
) WITHOUT ROWID;
CREATE TABLE items (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "items" VALUES('telemetry/dictionary','{"parameters":[{"name":"temperature","unit":"°C","kind":"number","description":"","limits":{"yellow":[null,null],"red":[null,80.0],"hysteresis":null,"min_duration_s":0.0},"period_s":null,"group":""},{"name":"speed","unit":"m/s","kind":"number","description":"","limits":{"yellow":[null,null],"red":[null,null],"hysteresis":null,"min_duration_s":0.0},"period_s":null,"group":""},{"name":"location","unit":"","kind":"vector","description":"","limits":{"yellow":[null,null],"red":[null,null],"hysteresis":null,"min_duration_s":0.0},"period_s":null,"group":""}]}');
INSERT INTO "items" VALUES('telemetry/latest','{"offset":61,"values":{"location":{"t":1790000007.375,"value":{"lat":0.059,"lon":-0.059},"newest":1790000007.375,"received_at":1790000007.375,"period_s":null},"big":{"t":1790000007.375,"value":4611686018427387963,"newest":1790000007.375,"received_at":1790000007.375,"period_s":null},"mode":{"t":1790000007.375,"value":"ütf","newest":1790000007.375,"received_at":1790000007.375,"period_s":null},"on":{"t":1790000007.375,"value":false,"newest":1790000007.375,"received_at":1790000007.375,"period_s":null},"mixed":{"t":1790000007.375,"value":true,"newest":1790000007.375,"received_at":1790000007.375,"period_s":null},"speed":{"t":1790000007.375,"value":5e-324,"newest":1790000007.375,"received_at":1790000007.375,"period_s":null}},"marks":[]}');
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "manifest" VALUES('name','""');
INSERT INTO "manifest" VALUES('since','null');
INSERT INTO "manifest" VALUES('until','null');
INSERT INTO "manifest" VALUES('created','"2026-11-28T18:45:25.513Z"');
INSERT INTO "manifest" VALUES('version','"0.1.0"');
INSERT INTO "manifest" VALUES('counts','{"values": 348, "events": 1, "messages": 1, "uploads": 0, "commands": 0, "images": 0}');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE parameter (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL,
    archived INTEGER NOT NULL, -- offset of the newest event whose values are stored
    kinds TEXT NOT NULL -- types of its values by component, as JSON: `{"": "fi"}`
);
INSERT INTO "parameter" VALUES(1,'location',61,'{"lat": "f", "lon": "f"}');
INSERT INTO "parameter" VALUES(2,'big',61,'{"": "I"}');
INSERT INTO "parameter" VALUES(3,'mode',61,'{"": "s"}');
INSERT INTO "parameter" VALUES(4,'on',61,'{"": "b"}');
INSERT INTO "parameter" VALUES(5,'mixed',61,'{"": "o"}');
INSERT INTO "parameter" VALUES(6,'speed',61,'{"": "f"}');
CREATE TABLE records (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, t REAL, kind TEXT NOT NULL, data TEXT NOT NULL
);
INSERT INTO "records" VALUES(1099511627777,1.79589152543640136715e+09,NULL,'state','{"source":"telemetry","state":"live","detail":"live","since":"2026-11-28T18:45:25.436Z","unusable":0,"last_unusable":null}');
INSERT INTO "records" VALUES(1099511627778,1789999985.0,1789999985.0,'late','{"t":"2026-09-21T14:13:05.000Z","late":true,"location":{"lat":0.04,"lon":-0.04},"big":4611686018427387944,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627779,1790000000.0,1790000000.0,'sample','{"t":"2026-09-21T14:13:20.000Z","location":{"lat":0.0,"lon":0.0},"big":4611686018427387904,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627780,1790000000.125,1790000000.125,'sample','{"t":"2026-09-21T14:13:20.125Z","speed":-0.0,"location":{"lat":0.001,"lon":-0.001},"big":4611686018427387905,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627781,1790000000.25,1790000000.25,'sample','{"t":"2026-09-21T14:13:20.250Z","speed":1.7e+308,"location":{"lat":0.002,"lon":-0.002},"big":4611686018427387906,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627782,1790000000.375,1790000000.375,'sample','{"t":"2026-09-21T14:13:20.375Z","speed":5e-324,"location":{"lat":0.003,"lon":-0.003},"big":4611686018427387907,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627783,1790000000.5,1790000000.5,'sample','{"t":"2026-09-21T14:13:20.500Z","speed":0.5714285714285714,"location":{"lat":0.004,"lon":-0.004},"big":4611686018427387908,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627784,1790000000.625,1790000000.625,'sample','{"t":"2026-09-21T14:13:20.625Z","location":{"lat":0.005,"lon":-0.005},"big":4611686018427387909,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627785,1790000000.75,1790000000.75,'sample','{"t":"2026-09-21T14:13:20.750Z","speed":1.7e+308,"location":{"lat":0.006,"lon":-0.006},"big":4611686018427387910,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627786,1790000000.875,1790000000.875,'sample','{"t":"2026-09-21T14:13:20.875Z","speed":5e-324,"location":{"lat":0.007,"lon":-0.007},"big":4611686018427387911,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627787,1790000001.0,1790000001.0,'sample','{"t":"2026-09-21T14:13:21.000Z","speed":1.1428571428571428,"location":{"lat":0.008,"lon":-0.008},"big":4611686018427387912,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627788,1790000001.125,1790000001.125,'sample','{"t":"2026-09-21T14:13:21.125Z","speed":-0.0,"location":{"lat":0.009,"lon":-0.009},"big":4611686018427387913,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627789,1790000001.25,1790000001.25,'sample','{"t":"2026-09-21T14:13:21.250Z","location":{"lat":0.01,"lon":-0.01},"big":4611686018427387914,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627790,1790000001.375,1790000001.375,'sample','{"t":"2026-09-21T14:13:21.375Z","speed":5e-324,"location":{"lat":0.011,"lon":-0.011},"big":4611686018427387915,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627791,1790000001.5,1790000001.5,'sample','{"t":"2026-09-21T14:13:21.500Z","speed":1.7142857142857142,"location":{"lat":0.012,"lon":-0.012},"big":4611686018427387916,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627792,1790000001.625,1790000001.625,'sample','{"t":"2026-09-21T14:13:21.625Z","speed":-0.0,"location":{"lat":0.013,"lon":-0.013},"big":4611686018427387917,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627793,1790000001.75,1790000001.75,'sample','{"t":"2026-09-21T14:13:21.750Z","speed":1.7e+308,"location":{"lat":0.014,"lon":-0.014},"big":4611686018427387918,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627794,1790000001.875,1790000001.875,'sample','{"t":"2026-09-21T14:13:21.875Z","location":{"lat":0.015,"lon":-0.015},"big":4611686018427387919,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627795,1790000002.0,1790000002.0,'sample','{"t":"2026-09-21T14:13:22.000Z","speed":2.2857142857142856,"location":{"lat":0.016,"lon":-0.016},"big":4611686018427387920,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627796,1790000002.125,1790000002.125,'sample','{"t":"2026-09-21T14:13:22.125Z","speed":-0.0,"location":{"lat":0.017,"lon":-0.017},"big":4611686018427387921,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627797,1790000002.25,1790000002.25,'sample','{"t":"2026-09-21T14:13:22.250Z","speed":1.7e+308,"location":{"lat":0.018,"lon":-0.018},"big":4611686018427387922,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627798,1790000002.375,1790000002.375,'sample','{"t":"2026-09-21T14:13:22.375Z","speed":5e-324,"location":{"lat":0.019,"lon":-0.019},"big":4611686018427387923,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627799,1790000002.5,1790000002.5,'sample','{"t":"2026-09-21T14:13:22.500Z","location":{"lat":0.02,"lon":-0.02},"big":4611686018427387924,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627800,1790000002.625,1790000002.625,'sample','{"t":"2026-09-21T14:13:22.625Z","speed":-0.0,"location":{"lat":0.021,"lon":-0.021},"big":4611686018427387925,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627801,1790000002.75,1790000002.75,'sample','{"t":"2026-09-21T14:13:22.750Z","speed":1.7e+308,"location":{"lat":0.022,"lon":-0.022},"big":4611686018427387926,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627802,1790000002.875,1790000002.875,'sample','{"t":"2026-09-21T14:13:22.875Z","speed":5e-324,"location":{"lat":0.023,"lon":-0.023},"big":4611686018427387927,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627803,1790000003.0,1790000003.0,'sample','{"t":"2026-09-21T14:13:23.000Z","speed":3.4285714285714284,"location":{"lat":0.024,"lon":-0.024},"big":4611686018427387928,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627804,1790000003.125,1790000003.125,'sample','{"t":"2026-09-21T14:13:23.125Z","location":{"lat":0.025,"lon":-0.025},"big":4611686018427387929,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627805,1790000003.25,1790000003.25,'sample','{"t":"2026-09-21T14:13:23.250Z","speed":1.7e+308,"location":{"lat":0.026,"lon":-0.026},"big":4611686018427387930,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627806,1790000003.375,1790000003.375,'sample','{"t":"2026-09-21T14:13:23.375Z","speed":5e-324,"location":{"lat":0.027,"lon":-0.027},"big":4611686018427387931,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627807,1790000003.5,1790000003.5,'sample','{"t":"2026-09-21T14:13:23.500Z","speed":4.0,"location":{"lat":0.028,"lon":-0.028},"big":4611686018427387932,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627808,1790000003.625,1790000003.625,'sample','{"t":"2026-09-21T14:13:23.625Z","speed":-0.0,"location":{"lat":0.029,"lon":-0.029},"big":4611686018427387933,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627809,1790000003.75,1790000003.75,'sample','{"t":"2026-09-21T14:13:23.750Z","location":{"lat":0.03,"lon":-0.03},"big":4611686018427387934,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627810,1790000003.875,1790000003.875,'sample','{"t":"2026-09-21T14:13:23.875Z","speed":5e-324,"location":{"lat":0.031,"lon":-0.031},"big":4611686018427387935,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627811,1790000004.0,1790000004.0,'sample','{"t":"2026-09-21T14:13:24.000Z","speed":4.571428571428571,"location":{"lat":0.032,"lon":-0.032},"big":4611686018427387936,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627812,1790000004.125,1790000004.125,'sample','{"t":"2026-09-21T14:13:24.125Z","speed":-0.0,"location":{"lat":0.033,"lon":-0.033},"big":4611686018427387937,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627813,1790000004.25,1790000004.25,'sample','{"t":"2026-09-21T14:13:24.250Z","speed":1.7e+308,"location":{"lat":0.034,"lon":-0.034},"big":4611686018427387938,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627814,1790000004.375,1790000004.375,'sample','{"t":"2026-09-21T14:13:24.375Z","location":{"lat":0.035,"lon":-0.035},"big":4611686018427387939,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627815,1790000004.5,1790000004.5,'sample','{"t":"2026-09-21T14:13:24.500Z","speed":5.142857142857143,"location":{"lat":0.036,"lon":-0.036},"big":4611686018427387940,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627816,1790000004.625,1790000004.625,'sample','{"t":"2026-09-21T14:13:24.625Z","speed":-0.0,"location":{"lat":0.037,"lon":-0.037},"big":4611686018427387941,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627817,1790000004.75,1790000004.75,'sample','{"t":"2026-09-21T14:13:24.750Z","speed":1.7e+308,"location":{"lat":0.038,"lon":-0.038},"big":4611686018427387942,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627818,1790000004.875,1790000004.875,'sample','{"t":"2026-09-21T14:13:24.875Z","speed":5e-324,"location":{"lat":0.039,"lon":-0.039},"big":4611686018427387943,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627819,1790000005.125,1790000005.125,'sample','{"t":"2026-09-21T14:13:25.125Z","speed":-0.0,"location":{"lat":0.041,"lon":-0.041},"big":4611686018427387945,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627820,1790000005.25,1790000005.25,'sample','{"t":"2026-09-21T14:13:25.250Z","speed":1.7e+308,"location":{"lat":0.042,"lon":-0.042},"big":4611686018427387946,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627821,1790000005.375,1790000005.375,'sample','{"t":"2026-09-21T14:13:25.375Z","speed":5e-324,"location":{"lat":0.043,"lon":-0.043},"big":4611686018427387947,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627822,1790000005.5,1790000005.5,'sample','{"t":"2026-09-21T14:13:25.500Z","speed":6.285714285714286,"location":{"lat":0.044,"lon":-0.044},"big":4611686018427387948,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627823,1790000005.625,1790000005.625,'sample','{"t":"2026-09-21T14:13:25.625Z","location":{"lat":0.045,"lon":-0.045},"big":4611686018427387949,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627824,1790000005.75,1790000005.75,'sample','{"t":"2026-09-21T14:13:25.750Z","speed":1.7e+308,"location":{"lat":0.046,"lon":-0.046},"big":4611686018427387950,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627825,1790000005.875,1790000005.875,'sample','{"t":"2026-09-21T14:13:25.875Z","speed":5e-324,"location":{"lat":0.047,"lon":-0.047},"big":4611686018427387951,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627826,1790000006.0,1790000006.0,'sample','{"t":"2026-09-21T14:13:26.000Z","speed":6.857142857142857,"location":{"lat":0.048,"lon":-0.048},"big":4611686018427387952,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627827,1790000006.125,1790000006.125,'sample','{"t":"2026-09-21T14:13:26.125Z","speed":-0.0,"location":{"lat":0.049,"lon":-0.049},"big":4611686018427387953,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627828,1790000006.25,1790000006.25,'sample','{"t":"2026-09-21T14:13:26.250Z","location":{"lat":0.05,"lon":-0.05},"big":4611686018427387954,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627829,1790000006.375,1790000006.375,'sample','{"t":"2026-09-21T14:13:26.375Z","speed":5e-324,"location":{"lat":0.051,"lon":-0.051},"big":4611686018427387955,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627830,1790000006.5,1790000006.5,'sample','{"t":"2026-09-21T14:13:26.500Z","speed":7.428571428571429,"location":{"lat":0.052,"lon":-0.052},"big":4611686018427387956,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627831,1790000006.625,1790000006.625,'sample','{"t":"2026-09-21T14:13:26.625Z","speed":-0.0,"location":{"lat":0.053,"lon":-0.053},"big":4611686018427387957,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627832,1790000006.75,1790000006.75,'sample','{"t":"2026-09-21T14:13:26.750Z","speed":1.7e+308,"location":{"lat":0.054,"lon":-0.054},"big":4611686018427387958,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627833,1790000006.875,1790000006.875,'sample','{"t":"2026-09-21T14:13:26.875Z","location":{"lat":0.055,"lon":-0.055},"big":4611686018427387959,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(1099511627834,1790000007.0,1790000007.0,'sample','{"t":"2026-09-21T14:13:27.000Z","speed":8.0,"location":{"lat":0.056,"lon":-0.056},"big":4611686018427387960,"mode":"","on":true,"mixed":1}');
INSERT INTO "records" VALUES(1099511627835,1790000007.125,1790000007.125,'sample','{"t":"2026-09-21T14:13:27.125Z","speed":-0.0,"location":{"lat":0.057,"lon":-0.057},"big":4611686018427387961,"mode":"drive","on":false,"mixed":2.5}');
INSERT INTO "records" VALUES(1099511627836,1790000007.25,1790000007.25,'sample','{"t":"2026-09-21T14:13:27.250Z","speed":1.7e+308,"location":{"lat":0.058,"lon":-0.058},"big":4611686018427387962,"mode":"a \"quote\", and\nline","on":true,"mixed":"1"}');
INSERT INTO "records" VALUES(1099511627837,1790000007.375,1790000007.375,'sample','{"t":"2026-09-21T14:13:27.375Z","speed":5e-324,"location":{"lat":0.059,"lon":-0.059},"big":4611686018427387963,"mode":"ütf","on":false,"mixed":true}');
INSERT INTO "records" VALUES(2199023255553,1.79589152545461153988e+09,1.79589152545453786848e+09,'join','{"name":"Ana","member_count":1,"role":""}');
INSERT INTO "records" VALUES(2199023255554,1.79589152545471191402e+09,1.79589152545469260208e+09,'message','{"name":"Ana","text":"halt","ref":null,"role":"","requested_name":"Ana"}');
INSERT INTO "records" VALUES(2199023255555,1.79589152546400547027e+09,1.79589152546392369271e+09,'leave','{"name":"Ana","member_count":0,"role":""}');
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, last INTEGER NOT NULL
);
INSERT INTO "streams" VALUES(1,'telemetry',61);
INSERT INTO "streams" VALUES(2,'comms/ops',3);
CREATE TABLE times (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
INSERT INTO "times" VALUES(2,X'7403017D6C50C4A0010000780163A86560A86D261E030019910B7E');
INSERT INTO "times" VALUES(3,X'740302683150C4A001000078016398F194812850DB8CA9CCEA28A6185691FF18A2004B28047C');
CREATE INDEX named ON records (kind, id) WHERE kind <> 'sample';
CREATE VIEW events AS
    SELECT streams.key AS stream, records.id & 1099511627775 AS "offset",
        strftime('%Y-%m-%dT%H:%M:%fZ', at, 'unixepoch') AS at, t, kind, data
    FROM records JOIN streams ON streams.id = records.id >> 40;
CREATE INDEX chunk_by_time ON chunk (parameter, level, first, last, points, open);
CREATE INDEX chunk_by_age ON chunk (stored);
CREATE INDEX chunk_by_times ON chunk (times);
COMMIT;
