"""Photographs: through the kiosk's camera with a live view, or sent by a phone; judged at once, kept in memory only."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_device.diagnosis.photo import MAX_BYTES, Photo, encode_for_keeping, read_photo
from pikvani_device.diagnosis.quality_gate import assess
from pikvani_device.errors import CameraError, PhotoError
from pikvani_device.web.answering import think
from pikvani_device.web.desk import BusyError, Desk, to_start
from pikvani_device.web.page import page
from pikvani_device.web.visits import Visit

AIMS = ("good", "closer", "hold_still", "too_dark", "too_bright")


def blueprint(desk: Desk) -> Blueprint:
    """Aiming, taking, sending, looking at and removing photographs."""
    capture = Blueprint("capture", __name__)
    device = desk.device

    @capture.get("/camera")
    def camera() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        if not visit.asked:
            return redirect(url_for("road.crop"))
        live = desk.live_camera
        return page(
            desk,
            "camera.html",
            ["camera_ask" if live else "phone_camera_ask"],
            back=url_for("road.crop"),
            listens="camera" if live else "",
            live=live,
            most=device.pipeline.max_photos,
            aims=AIMS,
        )

    @capture.get("/camera/frame.jpg")
    def frame() -> Response | tuple[str, int]:
        if not desk.live_camera or desk.visit() is None:
            abort(404)
        try:
            look = device.live.look()
        except (CameraError, PhotoError):
            return "", 503
        response = Response(look.jpeg, content_type="image/jpeg")
        response.headers["X-Hint"] = look.hint
        return response

    @capture.post("/camera/shoot")
    def shoot() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        if not desk.live_camera:
            abort(404)
        return take_photo(desk, visit)

    @capture.post("/photos")
    def send() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        uploads = [upload for upload in request.files.getlist("photos") if upload.filename]
        if not uploads:
            visit.told = "no_photo"
            return redirect(url_for("capture.camera"), 303)
        try:
            with desk.room_for_work():
                # A client's file name is not repeated anywhere.
                photos = [
                    read_photo(upload.stream.read(MAX_BYTES + 1), "photo")
                    for upload in uploads[: device.pipeline.max_photos]
                ]
        except PhotoError as error:
            visit.told = error.reason
            return redirect(url_for("capture.camera"), 303)
        except BusyError:
            visit.told = "busy"
            return redirect(url_for("capture.camera"), 303)
        return _taken(desk, visit, photos)

    @capture.get("/photos/<int:number>.jpg")
    def picture(number: int) -> Response:
        return Response(_shot(desk, number), content_type="image/jpeg")

    @capture.get("/photos/<int:number>")
    def look(number: int) -> str:
        _shot(desk, number)
        return page(desk, "photo.html", ["photo_ask"], back=url_for("capture.camera"), number=number)

    @capture.post("/photos/<int:number>/remove")
    def remove(number: int) -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        if 1 <= number <= len(visit.shots):
            del visit.shots[number - 1]
        return redirect(url_for("capture.camera"), 303)

    return capture


def take_photo(desk: Desk, visit: Visit) -> AnyResponse:
    """Take a photograph with the kiosk's camera and go on."""
    try:
        photo = desk.device.photograph()
    except (CameraError, PhotoError):
        visit.told = "camera_gone"
        return redirect(url_for("capture.camera"), 303)
    return _taken(desk, visit, [photo])


def _taken(desk: Desk, visit: Visit, photos: list[Photo]) -> AnyResponse:
    """Keep what is good, say what is not, and go on."""
    added = False
    for photo in photos:
        if len(visit.shots) >= desk.device.pipeline.max_photos:
            visit.told = "photos_full"
            break
        reason = assess(photo).reason
        if reason:
            visit.told = reason
            continue
        desk.visits.add_shot(visit, encode_for_keeping(photo))
        added = True
    if added and not visit.told:
        if visit.returning or visit.given is not None:
            return think(desk, visit)
        visit.told = "photo_taken"
    return redirect(url_for("capture.camera"), 303)


def _shot(desk: Desk, number: int) -> bytes:
    visit = desk.visit()
    if visit is None or not 1 <= number <= len(visit.shots):
        abort(404)
    return visit.shots[number - 1].jpeg
