/** The mark of red alarms, and of a replay, in the title and the icon of the page, hidden or not. */

const TITLE = document.title;

/** Show the number of red alarms that need attention, and whether the page shows a replay. */
export function markPage(count: number, isReplay: boolean): void {
  const marked = count > 0 ? `(${count}) ${TITLE}` : TITLE;
  const title = isReplay ? `REPLAY ${marked}` : marked;
  if (document.title === title) return;
  document.title = title;
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon) icon.href = count > 0 ? './favicon-alarm.svg' : './favicon.svg';
}
