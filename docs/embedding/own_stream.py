"""A stream of your own data, without a mission: `uvicorn own_stream:app`."""

from fastapi import FastAPI, Request, Response

from rover.broadcast import Broadcast

news = Broadcast()
app = FastAPI(lifespan=news.lifespan)


@app.get("/news")
async def follow(request: Request) -> Response:
    """Stream the news, for `new EventSource("/news")`."""
    return await news.respond(request)


@app.post("/news")
async def publish(headline: str) -> str:
    """Publish a headline and return its event id."""
    return str(news.publish({"headline": headline}))
