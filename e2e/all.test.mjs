// One file, so that all suites share one server, one browser and one published video.

import { after } from "node:test";
import { shutDown } from "./platform.mjs";
import "./suites/pages.mjs";
import "./suites/uploading.mjs";
import "./suites/playing.mjs";
import "./suites/firefox.mjs";
import "./suites/quality.mjs";
import "./suites/delivery.mjs";
import "./suites/protected.mjs";
import "./suites/licences.mjs";
import "./suites/administering.mjs";
import "./suites/accounts.mjs";
import "./suites/browsing.mjs";
import "./suites/discussing.mjs";
import "./suites/captioning.mjs";
import "./suites/people.mjs";
import "./suites/walking.mjs";
import "./suites/watching.mjs";
import "./suites/original.mjs";
import "./suites/manual.mjs";

after(shutDown);
