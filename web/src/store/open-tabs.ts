const TAB_KEY = 'rover.tab';

/** Milliseconds in which the other tabs answer. */
const ANSWER_MS = 300;

/** What the tabs of one browser send to each other: a question, or the id of a tab. */
type Asked = { readonly ask: true } | { readonly tab: string };

/** The id of this tab, which a reload keeps. */
export const tabId = storedId();

/** Answer other tabs that ask which tabs are open. */
export function answerTabs(): void {
  const channel = new BroadcastChannel(TAB_KEY);
  channel.onmessage = ({ data }: MessageEvent<Asked>) => {
    if ('ask' in data) channel.postMessage({ tab: tabId });
  };
}

/** The ids of the tabs of this browser that have the page open. */
export async function openTabs(): Promise<ReadonlySet<string>> {
  const tabs = new Set([tabId]);
  const channel = new BroadcastChannel(TAB_KEY);
  channel.onmessage = ({ data }: MessageEvent<Asked>) => {
    if ('tab' in data) tabs.add(data.tab);
  };
  channel.postMessage({ ask: true });
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
  channel.close();
  return tabs;
}

function storedId(): string {
  const made = Math.random().toString(36).slice(2);
  try {
    const id = sessionStorage.getItem(TAB_KEY) ?? made;
    sessionStorage.setItem(TAB_KEY, id);
    return id;
  } catch {
    return made; // Storage is blocked: nothing survives a reload.
  }
}
