"""A camera with a video, read by FFmpeg: `av:rtsp://…`, `av:/dev/video0`, `av:drive.mp4`.

camera   the source: shows the newest frame, and holds one now and then as an image
decoder  runs the process, and receives its frames
decode   that process: reads the video, and writes its frames as JPEG
wire     how a frame is written between the two

Each module imports only from modules listed below it.
"""

from sources.video.camera import VideoCamera

__all__ = ["VideoCamera"]
