"""No mission, one stream of one's own: `uvicorn own_stream:app`."""

from fastapi import FastAPI, Request, Response

from rover.broadcast import Broadcast

news = Broadcast()
app = FastAPI(lifespan=news.lifespan)


@app.get("/news")
async def follow(request: Request) -> Response:
    """Follow the news: `new EventSource("/news")`."""
    return await news.respond(request)


@app.post("/news")
async def tell(headline: str) -> str:
    """Tell everyone; gives the event's id."""
    return str(news.publish({"headline": headline}))
