import { Room } from './room.js';
import { Socket } from './socket.js';

const $ = (id) => document.getElementById(id);
const graceMs = 20_000;
const heartbeatMs = 10_000;

const socket = new Socket();
let room = null;

// What a reload needs to come back as the same member. It is only stored while
// the page is away, so that a duplicated tab is a member of its own.
const saved = JSON.parse(sessionStorage.getItem('member') ?? 'null');
sessionStorage.removeItem('member');

$('user').value = saved?.userId ?? `user-${Math.floor(Math.random() * 1000)}`;
if (saved) {
  $('room').value = saved.roomId;
  enter(saved);
}

function enter({ roomId, userId, token }) {
  room?.dispose();
  room = new Room(socket, roomId, userId, token);
  room.addEventListener('change', render);
  room.addEventListener('event', ({ detail: e }) => {
    const text = { join: 'joined', update: `updated ${JSON.stringify(e.state)} (${e.status})`, leave: `left (${e.reason})` };
    log(`#${e.seq} ${e.userId} ${text[e.type]}`);
  });
  if (socket.connected) join();
}

async function join() {
  const current = room;
  try {
    const ack = await current.join(graceMs);
    if (current !== room) return;
    log(ack.ok ? `${ack.resumed ? 'resumed' : 'joined'} ${current.roomId} at #${ack.seq}` : `join refused: ${ack.error}`);
    if (ack.ok) showOwnState();
    else leaveLocally();
  } catch (error) {
    log(`join: ${error.message}`);
  }
  render();
}

function leaveLocally() {
  room?.dispose();
  room = null;
  render();
}

socket.addEventListener('connect', () => {
  log('connected');
  if (room) join();
  render();
});
socket.addEventListener('disconnect', () => {
  log('connection lost');
  if (room) room.joined = false;
  render();
});
socket.addEventListener('event', ({ detail: { name, args } }) => {
  if (name === 'chat:message') say(args[0].userId, args[0].text);
});

// The server sees a live connection by its pings; this asks whether we are
// still a member: another tab may have resumed this membership.
setInterval(async () => {
  if (!room?.joined || !socket.connected) return;
  const ack = await room.heartbeat().catch(() => null);
  if (ack?.code === 'not_joined') {
    log('no longer a member here: another tab took over, or the server removed us');
    leaveLocally();
  }
}, heartbeatMs);

// A page that goes away cannot know whether it reloads: grace decides.
addEventListener('pagehide', () => {
  if (!room?.token) return;
  const { roomId, userId, token } = room;
  sessionStorage.setItem('member', JSON.stringify({ roomId, userId, token }));
  if (room.joined) room.leave(graceMs).catch(() => {});
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  sessionStorage.removeItem('member');
  if (room && socket.connected) join();
});

$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  const [roomId, userId] = [$('room').value.trim(), $('user').value.trim()];
  if (room) room.leave().catch(() => {});
  enter({ roomId, userId });
});
$('leave').addEventListener('click', async () => {
  const ack = await room.leave().catch((error) => ({ error: error.message }));
  log(ack.ok ? 'left' : `leave: ${ack.error}`);
  leaveLocally();
});
$('patch').addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const ack = await room.heartbeat(JSON.parse($('state').value));
    if (!ack.ok) log(`patch refused: ${ack.error}`);
    else if (!ack.changed) log('patch changed nothing');
  } catch (error) {
    log(`patch: ${error.message}`);
  }
});
$('chat').addEventListener('submit', async (event) => {
  event.preventDefault();
  const message = { roomId: room.roomId, userId: room.userId, text: $('text').value };
  try {
    const ack = await socket.request('chat:message', message);
    if (!ack.ok) throw new Error(ack.error);
    say(message.userId, message.text);
    $('text').value = '';
  } catch (error) {
    log(`chat: ${error.message}`);
  }
});

function showOwnState() {
  const state = room.members.get(room.connId)?.state ?? {};
  if (Object.keys(state).length > 0) $('state').value = JSON.stringify(state);
}

function render() {
  document.body.dataset.link = socket.connected ? 'up' : 'down';
  $('link').textContent = socket.connected ? 'connected' : 'connecting…';
  $('leave').disabled = !room;
  for (const id of ['patch', 'chat']) {
    for (const control of $(id).elements) control.disabled = !room?.joined;
  }
  const members = room ? [...room.members.values()] : [];
  $('title').textContent = room ? `${room.roomId}: ${members.length} here` : 'Nobody yet: join a room';
  $('members').replaceChildren(
    ...members.map((m) => {
      const item = node('li', '', m.status);
      item.append(
        node('b', m.connId === room.connId ? `${m.userId} (you)` : m.userId),
        node('span', m.status, 'status'),
        node('code', JSON.stringify(m.state)),
      );
      return item;
    }),
  );
}

function say(userId, text) {
  const item = node('li');
  item.append(node('b', userId), ` ${text}`);
  append($('messages'), item);
}

function log(text) {
  append($('log'), node('li', `${new Date().toLocaleTimeString()}  ${text}`));
}

function append(list, item) {
  list.append(item);
  while (list.children.length > 200) list.firstElementChild.remove();
  list.scrollTop = list.scrollHeight;
}

function node(tag, text = '', className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

render();
